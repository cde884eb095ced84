-- A trial spans municipalities, so trial, amendment and look are shared tables; what was assigned is keyed by municipality.
CREATE TABLE trial (
  trial_id TEXT PRIMARY KEY,
  title TEXT NOT NULL,
  -- the protocol as it was frozen, byte for byte, and its SHA-256
  protocol TEXT NOT NULL,
  protocol_sha256 TEXT NOT NULL,
  seed BIGINT NOT NULL,
  frozen_at TIMESTAMPTZ,
  assigned_at TIMESTAMPTZ
);

CREATE TABLE trial_amendment (
  trial_id TEXT NOT NULL REFERENCES trial (trial_id),
  number INTEGER NOT NULL,
  dated_at TIMESTAMPTZ NOT NULL,
  reason TEXT NOT NULL,
  protocol TEXT NOT NULL,
  protocol_sha256 TEXT NOT NULL,
  PRIMARY KEY (trial_id, number)
);

-- Every segment that was assessed: assigned to an arm, or left out with a reason before the draw.
CREATE TABLE trial_segment (
  municipality_id SMALLINT NOT NULL,
  trial_id TEXT NOT NULL REFERENCES trial (trial_id),
  segment_id UUID NOT NULL,
  -- its code on the day of the draw, by which the units were ordered, and distinct homes observed in the baseline: the draw is replayed from them
  code TEXT,
  homes_observed INTEGER,
  homes INTEGER NOT NULL,
  baseline_observed INTEGER NOT NULL,
  baseline_complied INTEGER NOT NULL,
  stratum TEXT,
  arm TEXT,
  left_out TEXT,
  PRIMARY KEY (municipality_id, trial_id, segment_id),
  FOREIGN KEY (municipality_id, segment_id) REFERENCES segment (municipality_id, segment_id),
  CHECK ((arm IS NULL) <> (left_out IS NULL))
);

-- The served homes of every drawn segment on the last day of the baseline, which the draw counted. A home keeps the segment, and with it the arm, of the draw wherever it
-- moves; homes that come later get their segment's.
CREATE TABLE trial_home (
  municipality_id SMALLINT NOT NULL,
  trial_id TEXT NOT NULL REFERENCES trial (trial_id),
  household_id UUID NOT NULL,
  segment_id UUID NOT NULL,
  PRIMARY KEY (municipality_id, trial_id, household_id),
  FOREIGN KEY (municipality_id, household_id) REFERENCES household (municipality_id, household_id)
);

-- A planned date for arm contrasts. Between looks everybody sees pooled figures; requests outside the plan are logged here.
CREATE TABLE trial_look (
  trial_id TEXT NOT NULL REFERENCES trial (trial_id),
  look INTEGER NOT NULL,
  opens_on DATE NOT NULL,
  data_through INTEGER NOT NULL,
  opened_at TIMESTAMPTZ,
  opened_by TEXT,
  PRIMARY KEY (trial_id, look)
);

CREATE TABLE trial_look_request (
  trial_id TEXT NOT NULL REFERENCES trial (trial_id),
  request_id UUID NOT NULL,
  asked_at TIMESTAMPTZ NOT NULL,
  asked_by TEXT NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (trial_id, request_id)
);

-- Reports as computed, so that a page never recomputes and a printed number can be found again. look 0 is the pooled report.
-- source_hash names the published data and the protocol it was computed from.
CREATE TABLE analysis_report (
  trial_id TEXT NOT NULL REFERENCES trial (trial_id),
  look INTEGER NOT NULL,
  source_hash TEXT NOT NULL,
  computed_at TIMESTAMPTZ NOT NULL,
  -- what is cheaply seen of its sources: the same stamp, and nothing need be read again
  stamp TEXT NOT NULL,
  code_version TEXT NOT NULL,
  report JSONB NOT NULL,
  PRIMARY KEY (trial_id, look, source_hash)
);
