-- What the model of a fit, and of a trial as served, costs: for jobs that limit it, and for the leaderboard.
ALTER TABLE unit
  ADD predict_us  double precision,          -- for one row
  ADD model_bytes bigint;                    -- of its file
ALTER TABLE trial
  ADD predict_us  double precision,          -- the sum over its folds
  ADD model_bytes bigint,
  ADD excess      double precision NOT NULL DEFAULT 0; -- over the job's limits, as log factors; 0 = within them
