-- Models by name, their versions, and the aliases that point to one.
CREATE TABLE model (
  id          text PRIMARY KEY,
  tenant_id   text NOT NULL REFERENCES tenant,
  name        text NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, name)
);

CREATE TABLE model_version (
  model_id    text NOT NULL REFERENCES model,
  version     integer NOT NULL,
  job_id      text REFERENCES job,
  blob_id     bigint NOT NULL REFERENCES blob,
  sha256      bytea NOT NULL CHECK (octet_length(sha256) = 32),
  bytes       bigint NOT NULL,
  family      text NOT NULL,
  task        text NOT NULL,
  metric      text NOT NULL,
  score       double precision,
  final       boolean NOT NULL,             -- false: published while its job was still running
  schema      jsonb NOT NULL,               -- what predict wants
  report      jsonb NOT NULL,
  us_per_row  double precision,
  created_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (model_id, version)
);

CREATE INDEX model_version_blob ON model_version (blob_id);

CREATE TABLE model_alias (
  model_id    text NOT NULL REFERENCES model,
  alias       text NOT NULL,
  version     integer NOT NULL,
  PRIMARY KEY (model_id, alias),
  FOREIGN KEY (model_id, version) REFERENCES model_version
);

ALTER TABLE job ADD FOREIGN KEY (model_id, model_version) REFERENCES model_version;
