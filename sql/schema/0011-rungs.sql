-- Trials that pause at rungs: a network's fit stops after some epochs, and goes on when its score is good enough.
ALTER TABLE trial
  DROP CONSTRAINT trial_state_check,
  ADD CONSTRAINT trial_state_check
    CHECK (state IN ('running','paused','done','pruned','failed','cancelled')),
  ADD fold_count integer,                    -- fits it takes in all; NULL = the units it has
  ADD rung       integer NOT NULL DEFAULT 0, -- it runs to, or is paused at
  ADD last_rung  integer NOT NULL DEFAULT 0; -- of a whole trial; 0 = it has no rungs

ALTER TABLE unit
  ADD until_epoch     integer,               -- its fit pauses after this epoch; NULL = it runs to its end
  ADD checkpoint_blob bigint REFERENCES blob; -- what its fit can go on from; only while its trial is not over
CREATE INDEX unit_checkpoint ON unit (checkpoint_blob) WHERE checkpoint_blob IS NOT NULL;

-- Entries of a job's search log beside the asks and ends of its trials (trial.ask_seq, trial.tell_seq).
CREATE TABLE trial_rung (
  job_id      text NOT NULL REFERENCES job,
  seq         bigint NOT NULL,               -- its place in the log
  trial_id    text NOT NULL REFERENCES trial,
  kind        text NOT NULL CHECK (kind IN ('measure','continue')),
  rung        integer NOT NULL,              -- that was reached, or that it goes on to
  metric      double precision,              -- of a measure
  objective   double precision,
  seconds     double precision,              -- CPU seconds of the trial until then
  at          timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (job_id, seq)
);
CREATE INDEX trial_rung_trial ON trial_rung (trial_id, seq);
