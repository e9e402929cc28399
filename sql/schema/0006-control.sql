-- A job under way can be paused, resumed and extended; each tells its story in a log.
ALTER TABLE job
  ADD paused_at       timestamptz,              -- while paused
  ADD resumed_at      timestamptz,              -- when the budget's clock last went on
  ADD idle_s          double precision NOT NULL DEFAULT 0,   -- since started_at, not the budget's: pauses, no engine
  ADD cloned_from     text REFERENCES job,
  ADD warm_start_from text REFERENCES job,
  ADD extended        integer NOT NULL DEFAULT 0,   -- times its budget was raised
  ADD log_seq         bigint NOT NULL DEFAULT 0,    -- number of the last line of its log; raised under the row lock
  ADD fold_blob       bigint REFERENCES blob;   -- each row's fold (deflated bytes), written by the finish
CREATE INDEX job_fold_blob ON job (fold_blob) WHERE fold_blob IS NOT NULL;

CREATE TABLE job_log (
  job_id      text NOT NULL REFERENCES job,
  seq         bigint NOT NULL,
  level       text NOT NULL CHECK (level IN ('debug','info','warning','error')),
  source      text NOT NULL CHECK (source IN ('server','search','trial','finish')),
  trial_number integer,
  message     text NOT NULL,
  at          timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (job_id, seq)
);
