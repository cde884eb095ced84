-- The same names and the same full birth date in two municipalities are asked about and counted once, as one CUI is. SQLite changes no
-- CHECK of a table that stands, so the questions move into one that has the new ground.
CREATE TABLE person_question (
  municipality_id SMALLINT NOT NULL,
  person_id UUID NOT NULL,
  like_municipality_id SMALLINT NOT NULL,
  like_person_id UUID NOT NULL,
  -- cui, birth: counted once until somebody says they are two; names: counted as two until somebody says they are one
  ground TEXT NOT NULL CHECK (ground IN ('cui', 'birth', 'names')),
  answer TEXT NOT NULL CHECK (answer IN ('open', 'same', 'distinct')),
  asked_at TIMESTAMPTZ NOT NULL,
  answered_by TEXT,
  answered_at TIMESTAMPTZ,
  PRIMARY KEY (municipality_id, person_id, like_municipality_id, like_person_id),
  FOREIGN KEY (municipality_id, person_id) REFERENCES person (municipality_id, person_id)
);
INSERT INTO person_question (municipality_id, person_id, like_municipality_id, like_person_id, ground, answer, asked_at, answered_by, answered_at)
  SELECT municipality_id, person_id, like_municipality_id, like_person_id, ground, answer, asked_at, answered_by, answered_at FROM person_likeness;
DROP TABLE person_likeness;
ALTER TABLE person_question RENAME TO person_likeness;
CREATE INDEX person_likeness_by_like ON person_likeness (like_municipality_id, like_person_id);

-- Asked over all municipalities.
CREATE INDEX person_by_birth ON person (words_hash, birth_date);
