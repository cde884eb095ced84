-- A true share of homes, frozen: what a message may say, and from what it follows.
CREATE TABLE norm (
  municipality_id SMALLINT NOT NULL,
  norm_id UUID NOT NULL,
  trial_id TEXT,
  -- static: one window; dynamic: a rise between two windows that do not overlap
  kind TEXT NOT NULL CHECK (kind IN ('static', 'dynamic')),
  definition TEXT NOT NULL,
  group_kind TEXT NOT NULL CHECK (group_kind IN ('segment', 'route', 'neighbourhood', 'municipality')),
  group_id UUID,
  group_name TEXT NOT NULL,
  window_from INTEGER NOT NULL,
  window_to INTEGER NOT NULL,
  homes INTEGER NOT NULL,
  homes_complied INTEGER NOT NULL,
  observations INTEGER NOT NULL,
  estimate DOUBLE PRECISION NOT NULL,
  ci_low DOUBLE PRECISION NOT NULL,
  ci_high DOUBLE PRECISION NOT NULL,
  stated_tenth SMALLINT NOT NULL,
  -- the earlier window of a dynamic norm
  before_from INTEGER,
  before_to INTEGER,
  before_homes INTEGER,
  before_homes_complied INTEGER,
  before_tenth SMALLINT,
  rise DOUBLE PRECISION,
  rise_low DOUBLE PRECISION,
  computed_at TIMESTAMPTZ NOT NULL,
  valid_until TIMESTAMPTZ NOT NULL,
  code_version TEXT NOT NULL,
  PRIMARY KEY (municipality_id, norm_id)
);

-- A home's own plan, in its own words and as parsed.
CREATE TABLE plan (
  municipality_id SMALLINT NOT NULL,
  plan_id UUID NOT NULL,
  household_id UUID NOT NULL,
  captured_at TIMESTAMPTZ NOT NULL,
  captured_how TEXT NOT NULL CHECK (captured_how IN ('sms', 'whatsapp', 'visit', 'paper')),
  own_words TEXT NOT NULL,
  when_text TEXT NOT NULL,
  where_text TEXT NOT NULL,
  who_text TEXT,
  ended_at TIMESTAMPTZ,
  PRIMARY KEY (municipality_id, plan_id),
  FOREIGN KEY (municipality_id, household_id) REFERENCES household (municipality_id, household_id)
);
CREATE INDEX plan_by_household ON plan (municipality_id, household_id);

CREATE TABLE campaign (
  municipality_id SMALLINT NOT NULL,
  campaign_id TEXT NOT NULL,
  trial_id TEXT NOT NULL REFERENCES trial (trial_id),
  paused_at TIMESTAMPTZ,
  paused_by TEXT,
  paused_why TEXT,
  PRIMARY KEY (municipality_id, campaign_id)
);

-- The outbox: one row per home, campaign, step, due date and channel; a row is written before anything is sent.
CREATE TABLE message (
  municipality_id SMALLINT NOT NULL,
  message_id UUID NOT NULL,
  household_id UUID NOT NULL,
  trial_id TEXT NOT NULL,
  campaign_id TEXT NOT NULL,
  step INTEGER NOT NULL,
  due_on DATE NOT NULL,
  iso_week INTEGER NOT NULL,
  channel TEXT NOT NULL,
  arm TEXT NOT NULL,
  wording TEXT NOT NULL,
  -- why this text: the rule that fired
  rule TEXT NOT NULL,
  norm_id UUID,
  plan_id UUID,
  language TEXT NOT NULL,
  -- empty when the home may not be written to; then state says why
  body TEXT,
  septets INTEGER,
  segments SMALLINT,
  state TEXT NOT NULL CHECK (state IN ('withheld', 'queued', 'sending', 'accepted', 'buffered', 'delivered', 'failed', 'rejected', 'expired', 'unknown', 'read')),
  state_reason TEXT,
  state_at TIMESTAMPTZ NOT NULL,
  send_after TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  attempts SMALLINT NOT NULL,
  gateway_reference TEXT,
  -- keyed seal of what was written and why, and of the state it began in; the key is outside the database
  row_mac BYTEA,
  PRIMARY KEY (municipality_id, message_id),
  UNIQUE (municipality_id, household_id, campaign_id, step, due_on, channel)
);
CREATE INDEX message_by_week ON message (municipality_id, trial_id, iso_week);
CREATE INDEX message_waiting ON message (municipality_id, send_after) WHERE state = 'queued';

-- Every change of state, with the gateway's time and ours; events that came late or twice are kept and marked.
CREATE TABLE message_event (
  municipality_id SMALLINT NOT NULL,
  message_id UUID NOT NULL,
  sequence INTEGER NOT NULL,
  state TEXT NOT NULL,
  applied BOOLEAN NOT NULL,
  detail TEXT,
  gateway_at TIMESTAMPTZ,
  recorded_at TIMESTAMPTZ NOT NULL,
  row_mac BYTEA,
  PRIMARY KEY (municipality_id, message_id, sequence)
);
