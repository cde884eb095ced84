-- What mayors and the public see. A period is published once, as a whole, and revised only as a whole.
-- period: 2026-W44, 2026-B11 (four-week block) or trial:ID/phase. source_hash names the tallies it was made from.
CREATE TABLE publication (
  municipality_id SMALLINT NOT NULL REFERENCES municipality (municipality_id),
  period TEXT NOT NULL,
  revision INTEGER NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('week', 'block', 'phase')),
  first_week INTEGER NOT NULL,
  last_week INTEGER NOT NULL,
  published_at TIMESTAMPTZ NOT NULL,
  source_hash TEXT NOT NULL,
  PRIMARY KEY (municipality_id, period, revision)
);

-- area '' is the whole municipality, otherwise a neighbourhood's code. A hidden cell holds no number at all.
CREATE TABLE publication_cell (
  municipality_id SMALLINT NOT NULL,
  period TEXT NOT NULL,
  revision INTEGER NOT NULL,
  measure TEXT NOT NULL CHECK (measure IN ('complied', 'set_out')),
  area TEXT NOT NULL,
  hidden BOOLEAN NOT NULL,
  homes INTEGER,
  n INTEGER,
  y INTEGER,
  rate DOUBLE PRECISION,
  ci_low DOUBLE PRECISION,
  ci_high DOUBLE PRECISION,
  change DOUBLE PRECISION,
  change_low DOUBLE PRECISION,
  change_high DOUBLE PRECISION,
  class SMALLINT,
  PRIMARY KEY (municipality_id, period, revision, measure, area),
  FOREIGN KEY (municipality_id, period, revision) REFERENCES publication (municipality_id, period, revision)
);

-- Breaks of the map's five classes, fixed per municipality and measure after the baseline.
CREATE TABLE map_class (
  municipality_id SMALLINT NOT NULL REFERENCES municipality (municipality_id),
  measure TEXT NOT NULL,
  class SMALLINT NOT NULL,
  lower DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (municipality_id, measure, class)
);

-- What published weeks stand on: each home's sums by neighbourhood, as they were when the week was published and in every revision since.
-- A row holds from one revision of the week to another (both included; empty: until further notice). Longer periods stand on the same rows.
-- Kept whole because a reader keeps every revision: what the next one may say depends on all that was said.
CREATE TABLE published_home_week (
  municipality_id SMALLINT NOT NULL,
  iso_week INTEGER NOT NULL,
  household_id UUID NOT NULL,
  neighbourhood_id UUID NOT NULL,
  from_revision INTEGER NOT NULL,
  to_revision INTEGER,
  observed INTEGER NOT NULL,
  set_out INTEGER NOT NULL,
  complied INTEGER NOT NULL,
  PRIMARY KEY (municipality_id, iso_week, household_id, neighbourhood_id, from_revision)
);

-- rewritten: the tallies' count of rewrites (tally_week) when they were last compared with what is published.
-- waiting: why what changed since is not published yet (few_homes, small_cell, all_alike, many_revisions, joined by commas).
CREATE TABLE published_week (
  municipality_id SMALLINT NOT NULL,
  iso_week INTEGER NOT NULL,
  rewritten BIGINT NOT NULL,
  waiting TEXT,
  waiting_since TIMESTAMPTZ,
  PRIMARY KEY (municipality_id, iso_week)
);
