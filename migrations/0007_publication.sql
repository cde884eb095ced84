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
