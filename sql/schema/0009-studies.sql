-- Studies: the search engine for anyone's own training code. What the search of a study knows is a fold over its log.
CREATE TABLE study (
  id          text PRIMARY KEY,
  tenant_id   text NOT NULL REFERENCES tenant,
  name        text NOT NULL,
  spec        text NOT NULL,                -- JSON, server/study_spec.h; text, as the order of the parameters counts
  log_seq     bigint NOT NULL DEFAULT 0,    -- number of the last entry of the log; raised under the row lock
  trial_count integer NOT NULL DEFAULT 0,   -- trials numbered so far
  created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX study_tenant ON study (tenant_id, created_at, id);

CREATE TABLE study_trial (
  id          text PRIMARY KEY,
  study_id    text NOT NULL REFERENCES study ON DELETE CASCADE,
  number      integer NOT NULL,             -- 1, 2, … within the study
  client_id   text NOT NULL,                -- who runs it, or ran it last
  params      text NOT NULL,                -- JSON object in the order of the space
  state       text NOT NULL DEFAULT 'running'
              CHECK (state IN ('running','paused','done','pruned','failed','forgotten')),
  from_step   double precision,             -- of its last run; NULL in a study without steps
  until_step  double precision,
  step        double precision,             -- of the last measure
  measured    double precision,             -- its value
  measures    integer NOT NULL DEFAULT 0,
  told        double precision[],           -- values as told, one for each direction
  limits      double precision[],           -- of the constraints, as told
  reason      text,                         -- of a failure
  seconds     double precision,             -- what it cost, as told
  created_at  timestamptz NOT NULL DEFAULT now(),
  touched_at  timestamptz NOT NULL DEFAULT now(),   -- when its client was last heard of
  ended_at    timestamptz,
  UNIQUE (study_id, number)
);
CREATE INDEX study_trial_state ON study_trial (study_id, state);
CREATE INDEX study_trial_open ON study_trial (study_id, client_id, number) WHERE state = 'running';

CREATE TABLE study_log (
  study_id    text NOT NULL REFERENCES study ON DELETE CASCADE,
  seq         bigint NOT NULL,
  kind        text NOT NULL
              CHECK (kind IN ('ask','continue','measure','tell','failed','forget','prune')),
  number      integer NOT NULL,             -- of the trial
  point       double precision[],           -- of an ask, in the order of the space; NaN = inactive
  step        double precision,             -- of a measure
  told        double precision[],           -- of a tell, or the one value of a measure
  limits      double precision[],           -- of a tell
  seconds     double precision,             -- of a tell
  at          timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (study_id, seq)
);
CREATE INDEX study_log_curve ON study_log (study_id, number, seq) WHERE kind = 'measure';
CREATE INDEX study_log_ask ON study_log (study_id, number) WHERE kind = 'ask';
