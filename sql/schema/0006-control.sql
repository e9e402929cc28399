-- A job under way can be paused, resumed and extended; each tells its story in a log.
ALTER TABLE job
  ADD pause_requested boolean NOT NULL DEFAULT false,
  ADD paused_at       timestamptz,              -- while paused; its length is not the budget's
  ADD cloned_from     text REFERENCES job,
  ADD warm_start_from text REFERENCES job,
  ADD extended        integer NOT NULL DEFAULT 0,   -- times its budget was raised
  ADD fold_blob       bigint REFERENCES blob;   -- each row's fold (deflated bytes), written by the finish
CREATE INDEX job_fold_blob ON job (fold_blob) WHERE fold_blob IS NOT NULL;

CREATE TABLE job_log (
  job_id      text NOT NULL REFERENCES job,
  seq         bigint GENERATED ALWAYS AS IDENTITY,
  level       text NOT NULL CHECK (level IN ('debug','info','warning','error')),
  source      text NOT NULL,                    -- search, trial, finish, server
  trial_number integer,
  message     text NOT NULL,
  at          timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (job_id, seq)
);
