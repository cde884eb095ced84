-- Who signs in, which phones send, and what was done. account, session, token and sign_in_failure are shared tables.
CREATE TABLE account (
  account_id UUID PRIMARY KEY,
  login TEXT NOT NULL UNIQUE,
  password_hash TEXT NOT NULL,
  role TEXT NOT NULL,
  -- reach: empty means every municipality
  municipality_id SMALLINT REFERENCES municipality (municipality_id),
  operator_code TEXT,
  language TEXT NOT NULL,
  theme TEXT,
  created_at TIMESTAMPTZ NOT NULL,
  disabled_at TIMESTAMPTZ
);

-- Sessions are looked up by the SHA-256 of the cookie; the cookie itself is never stored.
CREATE TABLE session (
  session_hash TEXT PRIMARY KEY,
  account_id UUID NOT NULL REFERENCES account (account_id),
  csrf TEXT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  seen_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE sign_in_failure (
  failure_id UUID PRIMARY KEY,
  -- "login:NAME" or "address:IP"
  subject TEXT NOT NULL,
  failed_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX sign_in_failure_by_subject ON sign_in_failure (subject, failed_at);

CREATE TABLE device (
  municipality_id SMALLINT NOT NULL REFERENCES municipality (municipality_id),
  device_id UUID NOT NULL,
  name TEXT NOT NULL,
  operator_id UUID,
  enrolled_at TIMESTAMPTZ NOT NULL,
  seen_at TIMESTAMPTZ,
  revoked_at TIMESTAMPTZ,
  PRIMARY KEY (municipality_id, device_id),
  UNIQUE (municipality_id, name),
  FOREIGN KEY (municipality_id, operator_id) REFERENCES operator (municipality_id, operator_id)
);

CREATE TABLE token (
  token_hash TEXT PRIMARY KEY,
  role TEXT NOT NULL,
  municipality_id SMALLINT REFERENCES municipality (municipality_id),
  operator_code TEXT,
  device_id UUID,
  name TEXT NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ,
  revoked_at TIMESTAMPTZ
);

-- What this database keeps to know its own key again; the key itself is never here. One row.
CREATE TABLE installation (
  installation_id SMALLINT PRIMARY KEY CHECK (installation_id = 1),
  key_check TEXT NOT NULL,
  made_at TIMESTAMPTZ NOT NULL
);

-- Keyed seals of whole tables, made by every transaction that writes to one; the key is outside the database.
CREATE TABLE table_seal (
  table_name TEXT PRIMARY KEY,
  -- what was sealed: the columns the table had
  columns TEXT NOT NULL,
  row_count BIGINT NOT NULL,
  -- another hand wrote to the table; under the seal too, and never taken back
  broken BOOLEAN NOT NULL,
  mac BYTEA
);

-- Chains, one per municipality and stream; municipality 0 holds what concerns the whole installation.
-- entry_hash = HMAC-SHA-256, keyed outside the database, over the previous hash and the canonical text of the entry.
CREATE TABLE audit_entry (
  municipality_id SMALLINT NOT NULL,
  stream TEXT NOT NULL,
  sequence BIGINT NOT NULL,
  at TIMESTAMPTZ NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  target TEXT NOT NULL,
  detail JSONB NOT NULL,
  previous_hash TEXT NOT NULL,
  entry_hash TEXT NOT NULL,
  PRIMARY KEY (municipality_id, stream, sequence)
);

CREATE TABLE audit_head (
  municipality_id SMALLINT NOT NULL,
  stream TEXT NOT NULL,
  sequence BIGINT NOT NULL,
  entry_hash TEXT NOT NULL,
  PRIMARY KEY (municipality_id, stream)
);
