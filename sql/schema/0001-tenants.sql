-- Tenants, their keys and browser sessions. Secrets are kept as BLAKE2b-256 only.
CREATE TABLE tenant (
  id          text PRIMARY KEY,
  name        text NOT NULL UNIQUE,
  created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_key (
  id          text PRIMARY KEY,
  tenant_id   text NOT NULL REFERENCES tenant,
  name        text NOT NULL,
  scopes      text[] NOT NULL CHECK (scopes <@ ARRAY['predict','read','train','admin']),
  model_name  text,                         -- a predict key may be bound to one model
  hash        bytea NOT NULL CHECK (octet_length(hash) = 32),
  created_at  timestamptz NOT NULL DEFAULT now(),
  expires_at  timestamptz,
  revoked_at  timestamptz
);
CREATE INDEX api_key_tenant ON api_key (tenant_id, created_at);

CREATE TABLE session (
  hash        bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
  key_id      text NOT NULL REFERENCES api_key,
  csrf        text NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now(),
  expires_at  timestamptz NOT NULL
);
CREATE INDEX session_key ON session (key_id);

CREATE TABLE sign_in_code (
  hash        bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
  key_id      text NOT NULL REFERENCES api_key,
  expires_at  timestamptz NOT NULL,
  used_at     timestamptz
);

-- The stored answer of a creating request, replayed for the same Idempotency-Key for 24 hours.
CREATE TABLE idempotency (
  tenant_id   text NOT NULL REFERENCES tenant,
  route       text NOT NULL,
  key         text NOT NULL,
  digest      bytea NOT NULL,
  status      integer,                      -- NULL while the first request is being answered
  body        text,
  location    text,
  created_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, route, key)
);
