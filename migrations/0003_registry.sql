-- People. Names, phones and CUI are sealed (XChaCha20-Poly1305, key outside the database); *_hash columns are keyed look-up hashes.
-- A person's municipality_id is where they were first registered and never changes; where they live is a dated fact.
CREATE TABLE person (
  municipality_id SMALLINT NOT NULL REFERENCES municipality (municipality_id),
  person_id UUID NOT NULL,
  given_names_sealed TEXT NOT NULL,
  surnames_sealed TEXT NOT NULL,
  cui_sealed TEXT,
  cui_hash TEXT,
  -- what a registrar should look at; the number is kept as given. practice: department 99, never issued to anybody
  cui_warning TEXT CHECK (cui_warning IN ('check_digit', 'place', 'practice')),
  sex TEXT NOT NULL CHECK (sex IN ('female', 'male', 'other', 'unknown')),
  -- day: the date itself; year: its 1 January; age: the latest birthday that gives the age told. adult: told to be 18 or older, no more
  birth_date DATE,
  birth_precision TEXT NOT NULL CHECK (birth_precision IN ('day', 'year', 'age', 'adult', 'unknown')),
  -- the day an age was told, which it keeps for good
  birth_told_on DATE,
  language TEXT NOT NULL,
  migration_status TEXT NOT NULL CHECK (migration_status IN ('host', 'migrant', 'returnee', 'displaced', 'remittance_household', 'unknown')),
  -- keyed hashes of the folded names: as words in any order (who is like whom), and as written (who is the same)
  words_hash BIGINT NOT NULL,
  order_hash BIGINT NOT NULL,
  -- the record under which indicators count this person: itself, unless another record is the same person
  counted_municipality_id SMALLINT NOT NULL,
  counted_person_id UUID NOT NULL,
  recorded_by TEXT NOT NULL,
  recorded_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (municipality_id, person_id)
);
-- Asked over all municipalities too: a CUI is one person's, wherever they were registered.
CREATE INDEX person_by_cui ON person (cui_hash, municipality_id);
CREATE INDEX person_by_words ON person (municipality_id, words_hash);

-- Two records that may be one person. A link and never a merge: both files stay, and another answer undoes it.
-- ground cui: counted once until somebody says they are two; names: counted as two until somebody says they are one.
CREATE TABLE person_likeness (
  municipality_id SMALLINT NOT NULL,
  person_id UUID NOT NULL,
  like_municipality_id SMALLINT NOT NULL,
  like_person_id UUID NOT NULL,
  ground TEXT NOT NULL CHECK (ground IN ('cui', 'names')),
  answer TEXT NOT NULL CHECK (answer IN ('open', 'same', 'distinct')),
  asked_at TIMESTAMPTZ NOT NULL,
  answered_by TEXT,
  answered_at TIMESTAMPTZ,
  PRIMARY KEY (municipality_id, person_id, like_municipality_id, like_person_id),
  FOREIGN KEY (municipality_id, person_id) REFERENCES person (municipality_id, person_id)
);
CREATE INDEX person_likeness_by_like ON person_likeness (like_municipality_id, like_person_id);

-- An import of many people on its way. What it has to say of new people (search words, homes, consents, enrolments) is written ahead in
-- short transactions and seen by nobody, since these tables are read together with person; the file of each person comes last, all in
-- one transaction. That is why these tables have no foreign key to person. What a killed import left is taken out by the next one.
CREATE TABLE import_under_way (
  municipality_id SMALLINT NOT NULL REFERENCES municipality (municipality_id),
  import_id UUID NOT NULL,
  begun_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (municipality_id, import_id)
);

-- Whom each row of a list meant. A list that is saved again or has grown is known by what its rows say, not by the bytes of its file: a row
-- that came before means whom it meant, and changes nothing. Written ahead for new people, as above.
CREATE TABLE person_source (
  municipality_id SMALLINT NOT NULL,
  -- keyed hash of the row's cells as they were read
  row_hash BIGINT NOT NULL,
  list_id UUID NOT NULL,
  -- which one of the list's rows that read alike, from 1
  occurrence INTEGER NOT NULL,
  person_id UUID NOT NULL,
  -- what the row says of consent or credit waits for an age: it is asked about again whenever the row comes
  waits BOOLEAN NOT NULL,
  PRIMARY KEY (municipality_id, row_hash, list_id, occurrence)
);

-- Accent-free name words, hashed with a key: a search finds sealed names without opening all of them.
CREATE TABLE person_word (
  municipality_id SMALLINT NOT NULL,
  word_hash BIGINT NOT NULL,
  person_id UUID NOT NULL,
  PRIMARY KEY (municipality_id, word_hash, person_id)
);

-- Where a person lives, with dates and who recorded it. The home may stand in another municipality than the person's key.
CREATE TABLE household_member (
  municipality_id SMALLINT NOT NULL,
  person_id UUID NOT NULL,
  valid_from DATE NOT NULL,
  valid_to DATE,
  home_municipality_id SMALLINT NOT NULL,
  household_id UUID NOT NULL,
  relation TEXT NOT NULL CHECK (relation IN ('head', 'partner', 'child', 'parent', 'sibling', 'other_relative', 'not_related', 'unknown')),
  recorded_by TEXT NOT NULL,
  recorded_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (municipality_id, person_id, valid_from)
);
CREATE INDEX household_member_by_home ON household_member (home_municipality_id, household_id);

-- How a home is reached. Keyed by the home's municipality; whose phone it is may be unknown.
CREATE TABLE contact (
  municipality_id SMALLINT NOT NULL,
  contact_id UUID NOT NULL,
  household_id UUID NOT NULL,
  person_id UUID,
  channel TEXT NOT NULL CHECK (channel IN ('sms', 'whatsapp', 'voice', 'paper')),
  address_sealed TEXT,
  address_hash TEXT,
  language TEXT NOT NULL,
  spanish_allowed BOOLEAN NOT NULL,
  valid_from DATE NOT NULL,
  valid_to DATE,
  PRIMARY KEY (municipality_id, contact_id),
  FOREIGN KEY (municipality_id, household_id) REFERENCES household (municipality_id, household_id)
);
CREATE INDEX contact_by_household ON contact (municipality_id, household_id);
-- One number at two homes: two weekly messages, perhaps of two arms.
CREATE INDEX contact_by_address ON contact (municipality_id, address_hash);

-- One row per purpose; withdrawal closes the row and a new consent opens another. Exactly one of person_id and household_id is set.
CREATE TABLE consent (
  municipality_id SMALLINT NOT NULL,
  consent_id UUID NOT NULL,
  person_id UUID,
  household_id UUID,
  purpose TEXT NOT NULL CHECK (purpose IN ('messages', 'research', 'finance', 'school', 'gender', 'sharing')),
  channel TEXT,
  given_on DATE NOT NULL,
  given_how TEXT NOT NULL CHECK (given_how IN ('paper_form', 'visit', 'phone', 'reply')),
  text_version TEXT NOT NULL,
  language TEXT NOT NULL,
  by_guardian BOOLEAN NOT NULL,
  withdrawn_at TIMESTAMPTZ,
  withdrawn_how TEXT,
  recorded_by TEXT NOT NULL,
  recorded_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (municipality_id, consent_id),
  CHECK ((person_id IS NULL) <> (household_id IS NULL))
);
CREATE INDEX consent_by_household ON consent (municipality_id, household_id, purpose);
CREATE INDEX consent_by_person ON consent (municipality_id, person_id, purpose);

-- Enrolment by module. status: candidate, enrolled, paused, exited; every change keeps its reason, day and actor in the audit chain
-- (what a file brought is one entry of the chain, with the hash of the file; its rows carry the same moment and actor).
CREATE TABLE waste_enrolment (
  municipality_id SMALLINT NOT NULL,
  enrolment_id UUID NOT NULL,
  person_id UUID NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('candidate', 'enrolled', 'paused', 'exited')),
  status_reason TEXT,
  started_on DATE NOT NULL,
  ended_on DATE,
  -- collection: the home has waste collection; visit: a visitor explained separation; training: attended a session
  service TEXT NOT NULL CHECK (service IN ('collection', 'visit', 'training')),
  recorded_by TEXT NOT NULL,
  recorded_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (municipality_id, enrolment_id)
);
CREATE INDEX waste_enrolment_by_person ON waste_enrolment (municipality_id, person_id);

CREATE TABLE finance_enrolment (
  municipality_id SMALLINT NOT NULL,
  enrolment_id UUID NOT NULL,
  person_id UUID NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('candidate', 'enrolled', 'paused', 'exited')),
  status_reason TEXT,
  started_on DATE NOT NULL,
  ended_on DATE,
  service TEXT NOT NULL CHECK (service IN ('advice', 'savings', 'credit', 'digital_wallet', 'entrepreneurship')),
  partner TEXT NOT NULL,
  recorded_by TEXT NOT NULL,
  recorded_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (municipality_id, enrolment_id)
);
CREATE INDEX finance_enrolment_by_person ON finance_enrolment (municipality_id, person_id);

CREATE TABLE school_enrolment (
  municipality_id SMALLINT NOT NULL,
  enrolment_id UUID NOT NULL,
  person_id UUID NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('candidate', 'enrolled', 'paused', 'exited')),
  status_reason TEXT,
  started_on DATE NOT NULL,
  ended_on DATE,
  school TEXT NOT NULL,
  grade TEXT NOT NULL,
  school_year SMALLINT NOT NULL,
  recorded_by TEXT NOT NULL,
  recorded_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (municipality_id, enrolment_id)
);
CREATE INDEX school_enrolment_by_person ON school_enrolment (municipality_id, person_id);

CREATE TABLE gender_enrolment (
  municipality_id SMALLINT NOT NULL,
  enrolment_id UUID NOT NULL,
  person_id UUID NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('candidate', 'enrolled', 'paused', 'exited')),
  status_reason TEXT,
  started_on DATE NOT NULL,
  ended_on DATE,
  activity TEXT NOT NULL CHECK (activity IN ('asset_building', 'leadership', 'dialogue', 'masculinities')),
  recorded_by TEXT NOT NULL,
  recorded_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (municipality_id, enrolment_id)
);
CREATE INDEX gender_enrolment_by_person ON gender_enrolment (municipality_id, person_id);

-- New or better work, as a dated fact about a person with its evidence: an outcome, not a service.
CREATE TABLE work_outcome (
  municipality_id SMALLINT NOT NULL,
  outcome_id UUID NOT NULL,
  person_id UUID NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('new_work', 'better_work')),
  happened_on DATE NOT NULL,
  evidence TEXT NOT NULL,
  recorded_by TEXT NOT NULL,
  recorded_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (municipality_id, outcome_id),
  FOREIGN KEY (municipality_id, person_id) REFERENCES person (municipality_id, person_id)
);

-- What the programme promised, with the day it holds from and where it is written. A shared table.
CREATE TABLE programme_target (
  indicator TEXT NOT NULL,
  valid_from DATE NOT NULL,
  valid_to DATE,
  value DOUBLE PRECISION NOT NULL,
  unit TEXT NOT NULL CHECK (unit IN ('persons', 'share')),
  source TEXT NOT NULL,
  PRIMARY KEY (indicator, valid_from)
);
