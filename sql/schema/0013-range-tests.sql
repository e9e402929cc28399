-- Learning-rate range tests: one short run each, leased like a unit of a job.
CREATE TABLE lr_range_test (
  id          text PRIMARY KEY,
  number      bigint GENERATED ALWAYS AS IDENTITY UNIQUE, -- its lease's name
  tenant_id   text NOT NULL REFERENCES tenant,
  dataset_id      text NOT NULL REFERENCES dataset,
  dataset_version integer NOT NULL,
  spec        jsonb NOT NULL,               -- normal form of a job of this family alone, engine/model/job_spec.h
  family      text NOT NULL,
  params      jsonb NOT NULL,               -- that differ from the tuned defaults
  low         double precision,             -- rates of the first and the last step; NULL = by the optimizer
  high        double precision,
  steps       integer,                      -- NULL = by the length of a whole run
  state       text NOT NULL DEFAULT 'queued'
              CHECK (state IN ('queued','running','succeeded','failed')),
  problem     jsonb,                        -- why it failed: {code, detail}
  result      text,                         -- JSON, engine/tune/tune_range.h; text, as jsonb writes 1e300 with 301 digits
  seconds     double precision,             -- CPU
  lease_token bigint NOT NULL DEFAULT 0,    -- raised by every claim
  lease_until timestamptz,
  worker      text,
  attempts    integer NOT NULL DEFAULT 0,
  created_at  timestamptz NOT NULL DEFAULT now(),
  started_at  timestamptz,                  -- of its first attempt
  ended_at    timestamptz,
  FOREIGN KEY (dataset_id, dataset_version) REFERENCES dataset_version
);
CREATE INDEX lr_range_test_tenant ON lr_range_test (tenant_id, created_at, id);
CREATE INDEX lr_range_test_live ON lr_range_test (created_at) WHERE state IN ('queued','running');
CREATE INDEX lr_range_test_dataset ON lr_range_test (dataset_id) WHERE state IN ('queued','running');
CREATE INDEX lr_range_test_ended ON lr_range_test (ended_at) WHERE ended_at IS NOT NULL;
