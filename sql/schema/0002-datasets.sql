-- Bytes in chunks of 4 MB: canonical datasets, models, checkpoints. Written whole or not at all.
CREATE TABLE blob (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  sha256      bytea NOT NULL CHECK (octet_length(sha256) = 32),
  bytes       bigint NOT NULL CHECK (bytes >= 0),
  created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE blob_chunk (
  blob_id     bigint NOT NULL REFERENCES blob ON DELETE CASCADE,
  seq         integer NOT NULL,
  data        bytea NOT NULL,
  PRIMARY KEY (blob_id, seq)
);
ALTER TABLE blob_chunk ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE TABLE dataset (
  id          text PRIMARY KEY,
  tenant_id   text NOT NULL REFERENCES tenant,
  name        text NOT NULL,
  state       text NOT NULL CHECK (state IN ('ingesting','ready','failed')),
  version     integer NOT NULL DEFAULT 1,   -- the newest
  problem     jsonb,                        -- why it failed: {code, detail, faults}
  instance    text,                         -- the data directory that ingests it
  lease_until timestamptz,                  -- of that instance
  created_at  timestamptz NOT NULL DEFAULT now(),
  deleted_at  timestamptz
);
CREATE INDEX dataset_tenant ON dataset (tenant_id, created_at, id);
CREATE INDEX dataset_ingest ON dataset (instance) WHERE state = 'ingesting';

CREATE TABLE dataset_version (
  dataset_id  text NOT NULL REFERENCES dataset,
  version     integer NOT NULL,
  kind        text NOT NULL CHECK (kind IN ('table','images')),
  blob_id     bigint REFERENCES blob ON DELETE SET NULL,   -- NULL once the dataset is deleted
  sha256      bytea NOT NULL CHECK (octet_length(sha256) = 32),
  bytes       bigint NOT NULL,
  rows        bigint NOT NULL,
  schema      jsonb NOT NULL,               -- as in engine/data/dataset.h
  created_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (dataset_id, version)
);
CREATE INDEX dataset_version_blob ON dataset_version (blob_id);
