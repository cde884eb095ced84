-- A segment's block within its stratum, where the protocol deals segments of like baseline together.
ALTER TABLE trial_segment ADD COLUMN block INTEGER;

-- The rule by which left-over segments were dealt: 1 by stratum, 2 over all strata together. Every draw so far was made by the first.
ALTER TABLE trial ADD COLUMN draw_rule SMALLINT NOT NULL DEFAULT 1;

-- The report a look was opened with: it is shown so for ever. One that was opened before has the last that was made for it.
ALTER TABLE trial_look ADD COLUMN source_hash TEXT;
UPDATE trial_look SET source_hash =
  (SELECT r.source_hash FROM analysis_report r WHERE r.trial_id = trial_look.trial_id AND r.look = trial_look.look ORDER BY r.computed_at DESC, r.source_hash LIMIT 1)
 WHERE opened_at IS NOT NULL;

-- What an opened look was computed from.
CREATE TABLE trial_look_data (
  trial_id TEXT NOT NULL,
  look INTEGER NOT NULL,
  data JSONB NOT NULL,
  PRIMARY KEY (trial_id, look),
  FOREIGN KEY (trial_id, look) REFERENCES trial_look (trial_id, look)
);

-- Who complained of the messages, and when; what was said stays with whoever heard it.
CREATE TABLE complaint (
  municipality_id SMALLINT NOT NULL,
  complaint_id UUID NOT NULL,
  household_id UUID NOT NULL,
  received_at TIMESTAMPTZ NOT NULL,
  how TEXT NOT NULL CHECK (how IN ('visit', 'phone', 'reply', 'desk')),
  recorded_by TEXT NOT NULL,
  PRIMARY KEY (municipality_id, complaint_id),
  FOREIGN KEY (municipality_id, household_id) REFERENCES household (municipality_id, household_id)
);
CREATE INDEX complaint_by_day ON complaint (municipality_id, received_at);
CREATE INDEX consent_by_withdrawal ON consent (municipality_id, withdrawn_at);

-- Every pause of a campaign, by a person or a rule, and its end.
CREATE TABLE campaign_pause (
  municipality_id SMALLINT NOT NULL,
  campaign_id TEXT NOT NULL,
  paused_at TIMESTAMPTZ NOT NULL,
  trial_id TEXT NOT NULL REFERENCES trial (trial_id),
  paused_by TEXT NOT NULL,
  why TEXT NOT NULL,
  resumed_at TIMESTAMPTZ,
  resumed_by TEXT,
  resumed_why TEXT,
  PRIMARY KEY (municipality_id, campaign_id, paused_at)
);
INSERT INTO campaign_pause (municipality_id, campaign_id, paused_at, trial_id, paused_by, why)
  SELECT municipality_id, campaign_id, paused_at, trial_id, COALESCE(paused_by, ''), COALESCE(paused_why, '') FROM campaign WHERE paused_at IS NOT NULL;

-- What the stop rules found: harm is judged once a week, opt-outs and complaints stand here once they stopped a campaign. arm is empty where
-- a rule speaks of all.
CREATE TABLE stop_rule_week (
  trial_id TEXT NOT NULL REFERENCES trial (trial_id),
  rule TEXT NOT NULL CHECK (rule IN ('opt_out', 'complaints', 'harm')),
  iso_week INTEGER NOT NULL,
  arm TEXT NOT NULL,
  judged_at TIMESTAMPTZ NOT NULL,
  breached BOOLEAN NOT NULL,
  PRIMARY KEY (trial_id, rule, iso_week, arm)
);
