-- Territory: where things are. One text for both engines; municipality_id (the INE code as a number) leads every key.
-- municipality is a shared (reference) table: all 340 codes exist, a pilot runs where pilot is true.
CREATE TABLE municipality (
  municipality_id SMALLINT PRIMARY KEY,
  code TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  department TEXT NOT NULL,
  pilot BOOLEAN NOT NULL,
  -- short name that signs messages (at most 16 characters), and who collects, in a sentence
  sender TEXT,
  collection_model TEXT,
  approximate BOOLEAN NOT NULL,
  geometry JSONB,
  properties JSONB NOT NULL
);

CREATE TABLE neighbourhood (
  municipality_id SMALLINT NOT NULL REFERENCES municipality (municipality_id),
  neighbourhood_id UUID NOT NULL,
  code TEXT NOT NULL,
  name TEXT NOT NULL,
  approximate BOOLEAN NOT NULL,
  geometry JSONB NOT NULL,
  properties JSONB NOT NULL,
  PRIMARY KEY (municipality_id, neighbourhood_id),
  UNIQUE (municipality_id, code)
);

CREATE TABLE operator (
  municipality_id SMALLINT NOT NULL REFERENCES municipality (municipality_id),
  operator_id UUID NOT NULL,
  code TEXT NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY (municipality_id, operator_id),
  UNIQUE (municipality_id, code)
);

CREATE TABLE route (
  municipality_id SMALLINT NOT NULL REFERENCES municipality (municipality_id),
  route_id UUID NOT NULL,
  code TEXT NOT NULL,
  name TEXT NOT NULL,
  operator_id UUID NOT NULL,
  valid_from DATE NOT NULL,
  valid_to DATE,
  approximate BOOLEAN NOT NULL,
  geometry JSONB NOT NULL,
  properties JSONB NOT NULL,
  PRIMARY KEY (municipality_id, route_id),
  UNIQUE (municipality_id, code),
  FOREIGN KEY (municipality_id, operator_id) REFERENCES operator (municipality_id, operator_id)
);

-- Which days a route runs, what it takes that day, and when. weekday: 1 Monday to 7 Sunday; times are HH:MM in Guatemala.
CREATE TABLE route_day (
  municipality_id SMALLINT NOT NULL,
  route_id UUID NOT NULL,
  weekday SMALLINT NOT NULL CHECK (weekday BETWEEN 1 AND 7),
  stream TEXT NOT NULL CHECK (stream IN ('organic', 'recyclable', 'residual', 'mixed')),
  window_start TEXT NOT NULL,
  window_end TEXT NOT NULL,
  PRIMARY KEY (municipality_id, route_id, weekday),
  FOREIGN KEY (municipality_id, route_id) REFERENCES route (municipality_id, route_id)
);

-- A contiguous piece of one route, about 25 homes, inside one neighbourhood: the trial's cluster.
CREATE TABLE segment (
  municipality_id SMALLINT NOT NULL REFERENCES municipality (municipality_id),
  segment_id UUID NOT NULL,
  code TEXT NOT NULL,
  route_id UUID NOT NULL,
  neighbourhood_id UUID NOT NULL,
  approximate BOOLEAN NOT NULL,
  geometry JSONB NOT NULL,
  properties JSONB NOT NULL,
  PRIMARY KEY (municipality_id, segment_id),
  UNIQUE (municipality_id, code),
  FOREIGN KEY (municipality_id, route_id) REFERENCES route (municipality_id, route_id),
  FOREIGN KEY (municipality_id, neighbourhood_id) REFERENCES neighbourhood (municipality_id, neighbourhood_id)
);
CREATE INDEX segment_by_route ON segment (municipality_id, route_id);
CREATE INDEX segment_by_neighbourhood ON segment (municipality_id, neighbourhood_id);

-- Yards, dumps, sorting plants, street containers and shared collection points.
CREATE TABLE point (
  municipality_id SMALLINT NOT NULL REFERENCES municipality (municipality_id),
  point_id UUID NOT NULL,
  code TEXT NOT NULL,
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  route_id UUID,
  stop_order INTEGER,
  capacity_l INTEGER,
  lon DOUBLE PRECISION NOT NULL,
  lat DOUBLE PRECISION NOT NULL,
  approximate BOOLEAN NOT NULL,
  properties JSONB NOT NULL,
  PRIMARY KEY (municipality_id, point_id),
  UNIQUE (municipality_id, code),
  FOREIGN KEY (municipality_id, route_id) REFERENCES route (municipality_id, route_id)
);

CREATE TABLE street (
  municipality_id SMALLINT NOT NULL REFERENCES municipality (municipality_id),
  street_id UUID NOT NULL,
  name TEXT NOT NULL,
  class TEXT NOT NULL,
  geometry JSONB NOT NULL,
  properties JSONB NOT NULL,
  PRIMARY KEY (municipality_id, street_id)
);

CREATE TABLE household (
  municipality_id SMALLINT NOT NULL REFERENCES municipality (municipality_id),
  household_id UUID NOT NULL,
  -- two letters, four digits, check character: SP-4821-K
  code TEXT NOT NULL,
  lon DOUBLE PRECISION NOT NULL,
  lat DOUBLE PRECISION NOT NULL,
  -- what a crew looks for at the kerb ("portón verde"); never a name
  hint TEXT,
  service_status TEXT NOT NULL CHECK (service_status IN ('served', 'not_subscribed', 'no_route')),
  operator_id UUID,
  approximate BOOLEAN NOT NULL,
  properties JSONB NOT NULL,
  PRIMARY KEY (municipality_id, household_id),
  UNIQUE (municipality_id, code),
  FOREIGN KEY (municipality_id, operator_id) REFERENCES operator (municipality_id, operator_id)
);

-- Dated membership of exactly one segment (and through it one route and one neighbourhood); stop_order is the place along the route.
CREATE TABLE household_place (
  municipality_id SMALLINT NOT NULL,
  household_id UUID NOT NULL,
  segment_id UUID NOT NULL,
  stop_order INTEGER NOT NULL,
  valid_from DATE NOT NULL,
  valid_to DATE,
  PRIMARY KEY (municipality_id, household_id, valid_from),
  FOREIGN KEY (municipality_id, household_id) REFERENCES household (municipality_id, household_id),
  FOREIGN KEY (municipality_id, segment_id) REFERENCES segment (municipality_id, segment_id)
);
CREATE INDEX household_place_by_segment ON household_place (municipality_id, segment_id, stop_order);
