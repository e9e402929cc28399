-- What models answered, to be matched with the truth; and how often what they were asked fell into which bin.
CREATE TABLE prediction (
  id            text NOT NULL,                 -- the call's prediction_id
  row           integer NOT NULL,              -- of the call, from 1
  rows          integer NOT NULL,              -- that the call had
  model_id      text NOT NULL,
  version       integer NOT NULL,
  class         integer,                       -- answered: its place among the schema's classes; NULL: a number
  value         double precision,              -- the number, or the class's probability
  truth_class   integer,
  truth_value   double precision,
  truth_at      timestamptz,                   -- NULL: not told yet
  at            timestamptz NOT NULL,
  PRIMARY KEY (id, row),
  FOREIGN KEY (model_id, version) REFERENCES model_version ON DELETE CASCADE
);
CREATE INDEX prediction_version ON prediction (model_id, version, at);
CREATE INDEX prediction_at ON prediction (at);

-- Truth that came before its prediction was written by another attuned; joined by whoever writes next, or forgotten.
CREATE TABLE prediction_truth (
  tenant_id     text NOT NULL REFERENCES tenant ON DELETE CASCADE,
  id            text NOT NULL,
  row           integer NOT NULL,
  truth         jsonb NOT NULL,                -- a text or a number
  at            timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id, row)
);

-- Counts of the training data (engine/data/drift_reference.h); `problem` says why there are none.
CREATE TABLE drift_reference (
  model_id      text NOT NULL,
  version       integer NOT NULL,
  reference     jsonb NOT NULL,
  problem       text,
  PRIMARY KEY (model_id, version),
  FOREIGN KEY (model_id, version) REFERENCES model_version ON DELETE CASCADE
);

-- Over the same bins what was asked and answered, by the hour; logged and dropped are rows of calls.
CREATE TABLE drift_count (
  model_id      text NOT NULL,
  version       integer NOT NULL,
  hour          timestamptz NOT NULL,
  counts        double precision[] NOT NULL,
  logged        bigint NOT NULL DEFAULT 0,
  dropped       bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (model_id, version, hour),
  FOREIGN KEY (model_id, version) REFERENCES model_version ON DELETE CASCADE
);
ALTER TABLE drift_count ALTER COLUMN counts SET STORAGE EXTENDED;
CREATE INDEX drift_count_hour ON drift_count (hour);
