-- Batch predictions: a file in, a file out. Worked on in slices, each leased like a unit of a job and stored with the
-- place it ends at, so that what is done stays done and no row is answered twice.
CREATE TABLE prediction_batch (
  id            text PRIMARY KEY,
  number        bigint GENERATED ALWAYS AS IDENTITY UNIQUE, -- its lease's name
  tenant_id     text NOT NULL REFERENCES tenant,
  model_id      text NOT NULL,
  model_name    text NOT NULL,
  model_version integer NOT NULL,             -- as it was when the batch was accepted
  options       jsonb NOT NULL,               -- {strict, threshold, interval}, engine/model/score_csv.h
  file_name     text NOT NULL,
  input_blob    bigint REFERENCES blob ON DELETE SET NULL, -- NULL once the batch has ended
  input_sha256  bytea NOT NULL CHECK (octet_length(input_sha256) = 32),
  input_bytes   bigint NOT NULL,
  row_count     bigint NOT NULL,
  keep_days     double precision NOT NULL,    -- after its end
  state         text NOT NULL DEFAULT 'queued'
                CHECK (state IN ('queued','running','succeeded','failed','cancelled')),
  problem       jsonb,                        -- why it failed: {code, detail}
  place         bigint NOT NULL DEFAULT 0,    -- bytes of the input that are answered
  rows_done     bigint NOT NULL DEFAULT 0,
  rows_faulty   bigint NOT NULL DEFAULT 0,
  parts         integer NOT NULL DEFAULT 0,
  output_bytes  bigint NOT NULL DEFAULT 0,
  lease_token   bigint NOT NULL DEFAULT 0,    -- raised by every claim
  lease_until   timestamptz,                  -- NULL: nobody is at it
  worker        text,
  attempts      integer NOT NULL DEFAULT 0,   -- of the slice that comes next
  served_at     timestamptz NOT NULL DEFAULT now(), -- when a slice of it was claimed or stored last
  created_at    timestamptz NOT NULL DEFAULT now(),
  started_at    timestamptz,
  ended_at      timestamptz
);
CREATE INDEX prediction_batch_tenant ON prediction_batch (tenant_id, created_at, id);
CREATE INDEX prediction_batch_live ON prediction_batch (served_at) WHERE state IN ('queued','running');
CREATE INDEX prediction_batch_ended ON prediction_batch (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX prediction_batch_blob ON prediction_batch (input_blob) WHERE input_blob IS NOT NULL;

CREATE TABLE prediction_batch_part (
  batch_id      text NOT NULL REFERENCES prediction_batch ON DELETE CASCADE,
  seq           integer NOT NULL,
  data          bytea NOT NULL,
  PRIMARY KEY (batch_id, seq)
);
ALTER TABLE prediction_batch_part ALTER COLUMN data SET STORAGE EXTERNAL;
