-- Without statistics SQLite takes a municipality for a handful of rows, and an index that holds all a query asks for over one that finds
-- its row. So each growing table has few indexes, and what is counted over a whole town stands in the one by which its rows are found.

DROP INDEX later_code_by_thing;
CREATE INDEX later_code_by_thing ON later_code (municipality_id, kind, thing_id, valid_from, recorded_at, code);

-- A round's stops; and how many homes have service and no consent, no phone, no route.
DROP INDEX household_version_by_segment;
CREATE INDEX household_version_by_segment ON household_version (municipality_id, segment_id, service_status, household_id);
CREATE INDEX household_version_standing
  ON household_version (municipality_id, household_id, service_status, valid_from, valid_to, segment_id, superseded_at) WHERE superseded_at IS NULL;

DROP INDEX consent_by_household;
CREATE INDEX consent_by_household ON consent (municipality_id, household_id, purpose, given_on, withdrawn_at);
DROP INDEX consent_by_person;
CREATE INDEX consent_by_person ON consent (municipality_id, person_id, purpose, given_on, withdrawn_at);
CREATE INDEX contact_that_reaches ON contact (municipality_id, household_id, valid_from, valid_to) WHERE channel = 'paper' OR address_sealed IS NOT NULL;

DROP INDEX person_by_cui;
CREATE INDEX person_by_cui ON person (cui_hash, municipality_id, person_id);
CREATE INDEX person_with_warning ON person (municipality_id, person_id) WHERE cui_warning IN ('check_digit', 'place');
CREATE INDEX person_likeness_open ON person_likeness (municipality_id, asked_at) WHERE answer = 'open';
CREATE INDEX person_likeness_open_like ON person_likeness (like_municipality_id) WHERE answer = 'open';

DROP INDEX waste_enrolment_by_person;
CREATE INDEX waste_enrolment_by_person ON waste_enrolment (municipality_id, person_id, status, started_on);
DROP INDEX finance_enrolment_by_person;
CREATE INDEX finance_enrolment_by_person ON finance_enrolment (municipality_id, person_id, status, started_on);
DROP INDEX school_enrolment_by_person;
CREATE INDEX school_enrolment_by_person ON school_enrolment (municipality_id, person_id, status, started_on);
DROP INDEX gender_enrolment_by_person;
CREATE INDEX gender_enrolment_by_person ON gender_enrolment (municipality_id, person_id, status, started_on);

-- How far the rounds of a day are, told by the index alone.
DROP INDEX observation_by_round;
CREATE INDEX observation_by_round ON observation (municipality_id, round_id, counted, reason, set_out, corrected_at);
CREATE INDEX unsettled_operation_by_device ON unsettled_operation (municipality_id, device_id, received_at) WHERE settled_at IS NULL;

DROP INDEX message_by_week;
CREATE INDEX message_by_week ON message (municipality_id, iso_week, trial_id, channel, state);
CREATE INDEX message_by_campaign ON message (municipality_id, campaign_id, iso_week, state, state_reason, trial_id);
CREATE INDEX message_queued_until ON message (expires_at) WHERE state = 'queued';
CREATE INDEX message_sending ON message (state_at) WHERE state = 'sending';

CREATE INDEX round_event_by_round ON round_event (municipality_id, round_id);

-- The story of one person's file.
CREATE INDEX audit_entry_by_target ON audit_entry (municipality_id, stream, target, sequence);
CREATE INDEX audit_entry_by_moment ON audit_entry (municipality_id, stream, at);

CREATE INDEX session_by_account ON session (account_id);
