-- Territory: where things are. One text for both engines; municipality_id (the INE code as a number) leads every key.
--
-- Two times. A thing's identity and code stand in the table of its name and never change. Everything else about it stands in NAME_version:
-- a row holds from valid_from to valid_to (both included; empty: until further notice) and was written at recorded_at. What takes effect
-- today or later closes the row in force (valid_to) and adds one. Correcting the past is another act: the rows it contradicts are
-- superseded (superseded_at), never altered, and new ones are added. In force on a day: superseded_at IS NULL and the day within the span.
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
  PRIMARY KEY (municipality_id, neighbourhood_id),
  UNIQUE (municipality_id, code)
);

CREATE TABLE neighbourhood_version (
  municipality_id SMALLINT NOT NULL,
  neighbourhood_id UUID NOT NULL,
  version_id UUID NOT NULL,
  valid_from DATE NOT NULL,
  valid_to DATE,
  recorded_at TIMESTAMPTZ NOT NULL,
  superseded_at TIMESTAMPTZ,
  name TEXT NOT NULL,
  approximate BOOLEAN NOT NULL,
  geometry JSONB NOT NULL,
  properties JSONB NOT NULL,
  PRIMARY KEY (municipality_id, neighbourhood_id, version_id),
  FOREIGN KEY (municipality_id, neighbourhood_id) REFERENCES neighbourhood (municipality_id, neighbourhood_id),
  CHECK (valid_to IS NULL OR valid_to >= valid_from)
);

CREATE TABLE operator (
  municipality_id SMALLINT NOT NULL REFERENCES municipality (municipality_id),
  operator_id UUID NOT NULL,
  code TEXT NOT NULL,
  PRIMARY KEY (municipality_id, operator_id),
  UNIQUE (municipality_id, code)
);

CREATE TABLE operator_version (
  municipality_id SMALLINT NOT NULL,
  operator_id UUID NOT NULL,
  version_id UUID NOT NULL,
  valid_from DATE NOT NULL,
  valid_to DATE,
  recorded_at TIMESTAMPTZ NOT NULL,
  superseded_at TIMESTAMPTZ,
  name TEXT NOT NULL,
  PRIMARY KEY (municipality_id, operator_id, version_id),
  FOREIGN KEY (municipality_id, operator_id) REFERENCES operator (municipality_id, operator_id),
  CHECK (valid_to IS NULL OR valid_to >= valid_from)
);

CREATE TABLE route (
  municipality_id SMALLINT NOT NULL REFERENCES municipality (municipality_id),
  route_id UUID NOT NULL,
  code TEXT NOT NULL,
  PRIMARY KEY (municipality_id, route_id),
  UNIQUE (municipality_id, code)
);

-- A route runs while a version of it is in force: the first valid_from is its opening, the last valid_to its end.
CREATE TABLE route_version (
  municipality_id SMALLINT NOT NULL,
  route_id UUID NOT NULL,
  version_id UUID NOT NULL,
  valid_from DATE NOT NULL,
  valid_to DATE,
  recorded_at TIMESTAMPTZ NOT NULL,
  superseded_at TIMESTAMPTZ,
  name TEXT NOT NULL,
  operator_id UUID NOT NULL,
  approximate BOOLEAN NOT NULL,
  geometry JSONB NOT NULL,
  properties JSONB NOT NULL,
  PRIMARY KEY (municipality_id, route_id, version_id),
  FOREIGN KEY (municipality_id, route_id) REFERENCES route (municipality_id, route_id),
  FOREIGN KEY (municipality_id, operator_id) REFERENCES operator (municipality_id, operator_id),
  CHECK (valid_to IS NULL OR valid_to >= valid_from)
);

-- The week of one version of a route: what it takes on which day, and when. weekday: 1 Monday to 7 Sunday; times are HH:MM in Guatemala.
CREATE TABLE route_day (
  municipality_id SMALLINT NOT NULL,
  route_id UUID NOT NULL,
  version_id UUID NOT NULL,
  weekday SMALLINT NOT NULL CHECK (weekday BETWEEN 1 AND 7),
  stream TEXT NOT NULL CHECK (stream IN ('organic', 'recyclable', 'residual', 'mixed')),
  window_start TEXT NOT NULL,
  window_end TEXT NOT NULL,
  PRIMARY KEY (municipality_id, route_id, version_id, weekday),
  FOREIGN KEY (municipality_id, route_id, version_id) REFERENCES route_version (municipality_id, route_id, version_id)
);

-- Days that are other than a route's week says, as GTFS parts calendar_dates from calendar. In force: superseded_at IS NULL; then at most one
-- row stands for a route and a day. Without a route it stands for every route of the municipality, and a row of one route goes before it.
-- moved: what is due on `day` is collected on `moved_to`. Moved and added days carry their own stream and hours.
CREATE TABLE calendar_day (
  municipality_id SMALLINT NOT NULL REFERENCES municipality (municipality_id),
  calendar_day_id UUID NOT NULL,
  route_id UUID,
  day DATE NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('cancelled', 'moved', 'added')),
  moved_to DATE,
  stream TEXT CHECK (stream IN ('organic', 'recyclable', 'residual', 'mixed')),
  window_start TEXT,
  window_end TEXT,
  reason TEXT NOT NULL CHECK (reason IN ('holiday', 'truck', 'flood_or_landslide', 'dump_closed', 'event', 'other')),
  note TEXT,
  recorded_at TIMESTAMPTZ NOT NULL,
  recorded_by TEXT NOT NULL,
  superseded_at TIMESTAMPTZ,
  PRIMARY KEY (municipality_id, calendar_day_id),
  FOREIGN KEY (municipality_id, route_id) REFERENCES route (municipality_id, route_id),
  CHECK ((kind = 'moved') = (moved_to IS NOT NULL)),
  CHECK ((kind = 'cancelled') = (stream IS NULL)),
  CHECK (kind = 'cancelled' OR route_id IS NOT NULL)
);
CREATE INDEX calendar_day_by_day ON calendar_day (municipality_id, day);

-- Holidays that were entered; the national ones of the law ship with the program. municipality_id 0: of the whole country. collects: whether
-- trucks go out all the same; empty: as the municipality's rule says.
CREATE TABLE holiday (
  municipality_id SMALLINT NOT NULL,
  holiday_id UUID NOT NULL,
  day DATE NOT NULL,
  name TEXT NOT NULL,
  collects BOOLEAN,
  recorded_at TIMESTAMPTZ NOT NULL,
  recorded_by TEXT NOT NULL,
  superseded_at TIMESTAMPTZ,
  PRIMARY KEY (municipality_id, holiday_id)
);
CREATE INDEX holiday_by_day ON holiday (municipality_id, day);

-- Whether routes go out on national holidays, from a day on; a row of one route goes before one of its municipality. Without a row they rest.
CREATE TABLE holiday_rule (
  municipality_id SMALLINT NOT NULL REFERENCES municipality (municipality_id),
  rule_id UUID NOT NULL,
  route_id UUID,
  valid_from DATE NOT NULL,
  collects BOOLEAN NOT NULL,
  recorded_at TIMESTAMPTZ NOT NULL,
  recorded_by TEXT NOT NULL,
  superseded_at TIMESTAMPTZ,
  PRIMARY KEY (municipality_id, rule_id),
  FOREIGN KEY (municipality_id, route_id) REFERENCES route (municipality_id, route_id)
);

-- A contiguous piece of one route, about 25 homes, inside one neighbourhood: the trial's cluster.
CREATE TABLE segment (
  municipality_id SMALLINT NOT NULL REFERENCES municipality (municipality_id),
  segment_id UUID NOT NULL,
  code TEXT NOT NULL,
  PRIMARY KEY (municipality_id, segment_id),
  UNIQUE (municipality_id, code)
);

CREATE TABLE segment_version (
  municipality_id SMALLINT NOT NULL,
  segment_id UUID NOT NULL,
  version_id UUID NOT NULL,
  valid_from DATE NOT NULL,
  valid_to DATE,
  recorded_at TIMESTAMPTZ NOT NULL,
  superseded_at TIMESTAMPTZ,
  route_id UUID NOT NULL,
  neighbourhood_id UUID NOT NULL,
  -- metres from the start of the route to where it meets the segment, and whether it drives it against its drawing
  begins_m DOUBLE PRECISION NOT NULL,
  reversed BOOLEAN NOT NULL,
  approximate BOOLEAN NOT NULL,
  geometry JSONB NOT NULL,
  properties JSONB NOT NULL,
  PRIMARY KEY (municipality_id, segment_id, version_id),
  FOREIGN KEY (municipality_id, segment_id) REFERENCES segment (municipality_id, segment_id),
  FOREIGN KEY (municipality_id, route_id) REFERENCES route (municipality_id, route_id),
  FOREIGN KEY (municipality_id, neighbourhood_id) REFERENCES neighbourhood (municipality_id, neighbourhood_id),
  CHECK (valid_to IS NULL OR valid_to >= valid_from)
);
CREATE INDEX segment_version_by_route ON segment_version (municipality_id, route_id);

-- Yards, dumps, sorting plants, street containers and shared collection points.
CREATE TABLE point (
  municipality_id SMALLINT NOT NULL REFERENCES municipality (municipality_id),
  point_id UUID NOT NULL,
  code TEXT NOT NULL,
  PRIMARY KEY (municipality_id, point_id),
  UNIQUE (municipality_id, code)
);

CREATE TABLE point_version (
  municipality_id SMALLINT NOT NULL,
  point_id UUID NOT NULL,
  version_id UUID NOT NULL,
  valid_from DATE NOT NULL,
  valid_to DATE,
  recorded_at TIMESTAMPTZ NOT NULL,
  superseded_at TIMESTAMPTZ,
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  route_id UUID,
  stop_order INTEGER,
  capacity_l INTEGER,
  lon DOUBLE PRECISION NOT NULL,
  lat DOUBLE PRECISION NOT NULL,
  approximate BOOLEAN NOT NULL,
  properties JSONB NOT NULL,
  PRIMARY KEY (municipality_id, point_id, version_id),
  FOREIGN KEY (municipality_id, point_id) REFERENCES point (municipality_id, point_id),
  FOREIGN KEY (municipality_id, route_id) REFERENCES route (municipality_id, route_id),
  CHECK (valid_to IS NULL OR valid_to >= valid_from)
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
  PRIMARY KEY (municipality_id, household_id),
  UNIQUE (municipality_id, code)
);

-- A home is enrolled on its first valid_from and closed after its last valid_to. Its route, operator and neighbourhood are those of its
-- segment on the day.
CREATE TABLE household_version (
  municipality_id SMALLINT NOT NULL,
  household_id UUID NOT NULL,
  version_id UUID NOT NULL,
  valid_from DATE NOT NULL,
  valid_to DATE,
  recorded_at TIMESTAMPTZ NOT NULL,
  superseded_at TIMESTAMPTZ,
  service_status TEXT NOT NULL CHECK (service_status IN ('served', 'not_subscribed', 'no_route')),
  segment_id UUID,
  -- metres from the start of the segment's line, as drawn, to where the home is met
  along_m DOUBLE PRECISION NOT NULL,
  -- with whom a home that stands on no segment has its contract
  operator_id UUID,
  lon DOUBLE PRECISION NOT NULL,
  lat DOUBLE PRECISION NOT NULL,
  -- what a crew looks for at the kerb ("portón verde"); never a name
  hint TEXT,
  approximate BOOLEAN NOT NULL,
  properties JSONB NOT NULL,
  PRIMARY KEY (municipality_id, household_id, version_id),
  FOREIGN KEY (municipality_id, household_id) REFERENCES household (municipality_id, household_id),
  FOREIGN KEY (municipality_id, segment_id) REFERENCES segment (municipality_id, segment_id),
  FOREIGN KEY (municipality_id, operator_id) REFERENCES operator (municipality_id, operator_id),
  CHECK (valid_to IS NULL OR valid_to >= valid_from)
);
CREATE INDEX household_version_by_segment ON household_version (municipality_id, segment_id);

-- Codes that things were given later. From valid_from on a thing is called so; the code it was first given stands in the table of its name,
-- and none of them is ever another's.
CREATE TABLE later_code (
  municipality_id SMALLINT NOT NULL REFERENCES municipality (municipality_id),
  kind TEXT NOT NULL CHECK (kind IN ('neighbourhood', 'route', 'segment', 'point', 'household')),
  code TEXT NOT NULL,
  thing_id UUID NOT NULL,
  valid_from DATE NOT NULL,
  recorded_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (municipality_id, kind, code)
);
CREATE INDEX later_code_by_thing ON later_code (municipality_id, kind, thing_id);

-- Codes that were made for labels, whether or not a home carries them yet: none is made twice.
CREATE TABLE household_code_given (
  municipality_id SMALLINT NOT NULL REFERENCES municipality (municipality_id),
  code TEXT NOT NULL,
  given_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (municipality_id, code)
);
