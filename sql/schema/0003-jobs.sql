-- Jobs, their trials, the leased units of work, and the ordered event log.
CREATE TABLE job (
  id              text PRIMARY KEY,
  tenant_id       text NOT NULL REFERENCES tenant,
  name            text NOT NULL,
  dataset_id      text NOT NULL REFERENCES dataset,
  dataset_version integer NOT NULL,
  spec            jsonb NOT NULL,           -- normal form, engine/model/job_spec.h
  state           text NOT NULL DEFAULT 'queued'
                  CHECK (state IN ('queued','running','paused','succeeded','failed','cancelled')),
  phase           text NOT NULL DEFAULT 'search' CHECK (phase IN ('search','finish','ended')),
  cancel_requested boolean NOT NULL DEFAULT false,
  stop_reason     text,                     -- budget_seconds, budget_trials, target_score, exhausted, cancelled
  problem         jsonb,                    -- why it failed: {code, detail}
  event_seq       bigint NOT NULL DEFAULT 0,   -- number of the last event; raised under the row lock
  search_seq      bigint NOT NULL DEFAULT 0,   -- number of the last entry of the search log
  trial_count     integer NOT NULL DEFAULT 0,  -- trials numbered so far
  best_trial_id   text,
  best_objective  double precision,         -- minimised
  best_value      double precision,         -- the metric
  model_id        text,
  model_version   integer,
  created_at      timestamptz NOT NULL DEFAULT now(),
  started_at      timestamptz,              -- first trial's start: the budget's clock
  ended_at        timestamptz,
  FOREIGN KEY (dataset_id, dataset_version) REFERENCES dataset_version
);
CREATE INDEX job_tenant ON job (tenant_id, created_at, id);
CREATE INDEX job_live ON job (created_at) WHERE state IN ('queued','running');
CREATE INDEX job_dataset ON job (dataset_id) WHERE state IN ('queued','running','paused');

CREATE TABLE trial (
  id          text PRIMARY KEY,
  job_id      text NOT NULL REFERENCES job,
  number      integer NOT NULL,             -- 1, 2, … within the job
  family      text NOT NULL,
  params      jsonb NOT NULL,               -- the family's parameters, without prefix
  point       double precision[] NOT NULL,  -- in the order of the job's space; NaN = inactive
  state       text NOT NULL DEFAULT 'running'
              CHECK (state IN ('running','done','pruned','failed','cancelled')),
  metric      double precision,
  objective   double precision,             -- minimised
  seconds     double precision,             -- CPU seconds of all its units
  reasons     text[] NOT NULL DEFAULT '{}', -- of each failure
  ask_seq     bigint NOT NULL,              -- its places in the job's search log
  tell_seq    bigint,
  created_at  timestamptz NOT NULL DEFAULT now(),
  ended_at    timestamptz,
  UNIQUE (job_id, number)
);
CREATE INDEX trial_rank ON trial (job_id, objective, number) WHERE state = 'done';
CREATE INDEX trial_state ON trial (job_id, state);   -- counted whenever a job is looked at

-- The unit of work that is leased: a fit (trial, fold, rung), or the job's finish.
CREATE TABLE unit (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  job_id      text NOT NULL REFERENCES job,
  trial_id    text REFERENCES trial,        -- NULL for the finish
  fold        integer NOT NULL DEFAULT 0,
  rung        integer NOT NULL DEFAULT 0,
  state       text NOT NULL DEFAULT 'pending'
              CHECK (state IN ('pending','leased','done','failed','cancelled')),
  lease_token bigint NOT NULL DEFAULT 0,    -- raised by every claim
  lease_until timestamptz,
  worker      text,
  attempts    integer NOT NULL DEFAULT 0,
  metric      double precision,
  objective   double precision,
  seconds     double precision,
  result      jsonb,                        -- epochs, stop reason, log loss
  predictions bytea,                        -- float32 (validation rows, outputs); best 50 trials only
  model_blob  bigint REFERENCES blob,       -- the fitted model; best trials only
  created_at  timestamptz NOT NULL DEFAULT now(),
  ended_at    timestamptz,
  UNIQUE (trial_id, fold, rung)
);
ALTER TABLE unit ALTER COLUMN predictions SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX unit_one_finish ON unit (job_id) WHERE trial_id IS NULL;
CREATE INDEX unit_work ON unit (job_id, id) WHERE state IN ('pending','leased');
CREATE INDEX unit_blob ON unit (model_blob) WHERE model_blob IS NOT NULL;

CREATE TABLE unit_epoch (
  unit_id      bigint NOT NULL REFERENCES unit ON DELETE CASCADE,
  epoch        integer NOT NULL,
  epoch_count  integer NOT NULL,
  train_loss   double precision,
  valid_loss   double precision,
  valid_metric double precision,
  seconds      double precision NOT NULL,
  PRIMARY KEY (unit_id, epoch)
);

CREATE TABLE job_event (
  job_id      text NOT NULL REFERENCES job,
  seq         bigint NOT NULL,
  kind        text NOT NULL CHECK (kind IN ('state','trial','best','warning','done')),
  data        jsonb NOT NULL,
  at          timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (job_id, seq)
);
