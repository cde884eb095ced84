-- One route on one day.
CREATE TABLE round (
  municipality_id SMALLINT NOT NULL,
  round_id UUID NOT NULL,
  route_id UUID NOT NULL,
  operator_id UUID NOT NULL,
  service_day DATE NOT NULL,
  stream TEXT NOT NULL CHECK (stream IN ('organic', 'recyclable', 'residual', 'mixed')),
  window_start TEXT NOT NULL,
  window_end TEXT NOT NULL,
  planned_stops INTEGER NOT NULL,
  started_at TIMESTAMPTZ,
  ended_at TIMESTAMPTZ,
  PRIMARY KEY (municipality_id, round_id),
  UNIQUE (municipality_id, route_id, service_day),
  FOREIGN KEY (municipality_id, route_id) REFERENCES route (municipality_id, route_id)
);
CREATE INDEX round_by_day ON round (municipality_id, service_day);

-- How many served homes of each segment a round has to collect from: what is due. Written with the round from the facts of its day.
CREATE TABLE round_segment (
  municipality_id SMALLINT NOT NULL,
  iso_week INTEGER NOT NULL,
  segment_id UUID NOT NULL,
  round_id UUID NOT NULL,
  neighbourhood_id UUID NOT NULL,
  stops INTEGER NOT NULL,
  PRIMARY KEY (municipality_id, iso_week, segment_id, round_id),
  FOREIGN KEY (municipality_id, round_id) REFERENCES round (municipality_id, round_id)
);
CREATE INDEX round_segment_by_round ON round_segment (municipality_id, round_id);

-- What a crew saw, one row per operation as received. Rows are never edited: a correction is another row that names the one it corrects.
-- counted marks, for one home on one collection day, the single row that stands for it in tallies.
-- complied: 1, 0, or empty when the home was not observed.
-- segment_id, neighbourhood_id: what the collection counts for, from the facts of its day; empty when the home was not served or on no
-- segment that day.
CREATE TABLE observation (
  municipality_id SMALLINT NOT NULL,
  op_id UUID NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('observation', 'stop_missed', 'correction', 'double_observation')),
  round_id UUID NOT NULL,
  household_id UUID NOT NULL,
  segment_id UUID,
  neighbourhood_id UUID,
  service_day DATE NOT NULL,
  iso_week INTEGER NOT NULL,
  device_id UUID NOT NULL,
  observed_at TIMESTAMPTZ NOT NULL,
  corrected_at TIMESTAMPTZ NOT NULL,
  received_at TIMESTAMPTZ NOT NULL,
  corrects UUID,
  because TEXT,
  set_out TEXT CHECK (set_out IN ('yes', 'no', 'unknown')),
  separated TEXT CHECK (separated IN ('yes', 'partly', 'no', 'unknown')),
  stream TEXT CHECK (stream IN ('organic', 'recyclable', 'residual', 'mixed')),
  contamination TEXT,
  severity TEXT CHECK (severity IN ('slight', 'gross')),
  reason TEXT,
  complied SMALLINT,
  counted BOOLEAN NOT NULL,
  suspect TEXT,
  lon DOUBLE PRECISION,
  lat DOUBLE PRECISION,
  accuracy_m DOUBLE PRECISION,
  content_hash TEXT NOT NULL,
  -- fields this version does not know, kept as they came
  extra JSONB,
  -- keyed seal of what the crew recorded (src/observation/seal_row.rs); the key is outside the database
  row_mac BYTEA,
  PRIMARY KEY (municipality_id, op_id)
);
CREATE INDEX observation_by_home ON observation (municipality_id, household_id, service_day);
CREATE INDEX observation_by_round ON observation (municipality_id, round_id);

-- Corrections that came before what they correct: acknowledged, kept whole, applied and removed when it comes.
CREATE TABLE waiting_correction (
  municipality_id SMALLINT NOT NULL,
  op_id UUID NOT NULL,
  corrects UUID NOT NULL,
  device_id UUID NOT NULL,
  operator_code TEXT,
  received_at TIMESTAMPTZ NOT NULL,
  -- skew of the phone's clock in the batch that brought it
  skew_ms BIGINT NOT NULL,
  body JSONB NOT NULL,
  content_hash TEXT NOT NULL,
  PRIMARY KEY (municipality_id, op_id)
);
CREATE INDEX waiting_correction_by_target ON waiting_correction (municipality_id, corrects);

-- Operations that are not about one home: round_start, round_end, load, dump_visit, track.
CREATE TABLE round_event (
  municipality_id SMALLINT NOT NULL,
  op_id UUID NOT NULL,
  kind TEXT NOT NULL,
  round_id UUID,
  device_id UUID NOT NULL,
  observed_at TIMESTAMPTZ NOT NULL,
  received_at TIMESTAMPTZ NOT NULL,
  body JSONB NOT NULL,
  content_hash TEXT NOT NULL,
  PRIMARY KEY (municipality_id, op_id)
);

-- Operations that could not be stored, exactly as received, until a person settles them.
CREATE TABLE unsettled_operation (
  municipality_id SMALLINT NOT NULL,
  op_id UUID NOT NULL,
  content_hash TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('conflict', 'rejected')),
  code TEXT NOT NULL,
  device_id UUID NOT NULL,
  received_at TIMESTAMPTZ NOT NULL,
  body JSONB NOT NULL,
  settled_at TIMESTAMPTZ,
  settled_by TEXT,
  PRIMARY KEY (municipality_id, op_id, content_hash)
);

-- Tallies: caches of the counted rows, rewritten in the same transaction, recounted by `vecino verify`. iso_week is 202644. A home has a
-- cell for each segment and neighbourhood that its collections of the week count for: one, unless something moved within the week.
CREATE TABLE home_week (
  municipality_id SMALLINT NOT NULL,
  iso_week INTEGER NOT NULL,
  household_id UUID NOT NULL,
  segment_id UUID NOT NULL,
  neighbourhood_id UUID NOT NULL,
  observed INTEGER NOT NULL,
  set_out INTEGER NOT NULL,
  complied INTEGER NOT NULL,
  contaminated INTEGER NOT NULL,
  PRIMARY KEY (municipality_id, iso_week, household_id, segment_id, neighbourhood_id)
);
CREATE INDEX home_week_by_segment ON home_week (municipality_id, segment_id, iso_week);

CREATE TABLE segment_week (
  municipality_id SMALLINT NOT NULL,
  segment_id UUID NOT NULL,
  iso_week INTEGER NOT NULL,
  observed INTEGER NOT NULL,
  set_out INTEGER NOT NULL,
  complied INTEGER NOT NULL,
  contaminated INTEGER NOT NULL,
  PRIMARY KEY (municipality_id, segment_id, iso_week)
);

-- How often the tallies of a week were rewritten: who published or reported from them sees here whether to look again.
CREATE TABLE tally_week (
  municipality_id SMALLINT NOT NULL,
  iso_week INTEGER NOT NULL,
  rewritten BIGINT NOT NULL,
  PRIMARY KEY (municipality_id, iso_week)
);
