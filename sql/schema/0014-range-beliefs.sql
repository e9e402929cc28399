-- Range tests that a job's search asked for: an entry "believe" of its log, once they have found a rate.
ALTER TABLE lr_range_test
  ADD job_id  text REFERENCES job,           -- NULL = a caller asked for it
  ADD point   double precision[],            -- of the job's space
  ADD rate    double precision,              -- that was found
  ADD log_seq bigint;                        -- its place in the log
CREATE INDEX lr_range_test_job ON lr_range_test (job_id, log_seq) WHERE job_id IS NOT NULL;
