-- Image models that are put together picture by picture, as on Nanonets' paths: categories and labelled images, from
-- which each training makes a dataset.
CREATE TABLE image_draft (
  id            text PRIMARY KEY,             -- also the name of the model it becomes
  tenant_id     text NOT NULL REFERENCES tenant ON DELETE CASCADE,
  categories    text[] NOT NULL,
  counts        double precision[] NOT NULL,  -- images of each category
  files         bigint NOT NULL DEFAULT 0,
  bytes         bigint NOT NULL DEFAULT 0,
  dataset_id    text,                         -- of its newest training
  dataset_files bigint NOT NULL DEFAULT 0,    -- so many of its images are in there
  job_id        text,                         -- of its newest training
  busy_until    timestamptz,                  -- a request is making the dataset or the job
  created_at    timestamptz NOT NULL DEFAULT now(),
  touched_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX image_draft_tenant ON image_draft (tenant_id);
CREATE INDEX image_draft_touched ON image_draft (touched_at);

CREATE TABLE image_draft_file (
  draft_id      text NOT NULL REFERENCES image_draft ON DELETE CASCADE,
  upload        text NOT NULL,                -- the request that brought it
  seq           integer NOT NULL,             -- within that
  category      integer NOT NULL,             -- index from 0
  data          bytea NOT NULL,
  PRIMARY KEY (draft_id, upload, seq)
);
ALTER TABLE image_draft_file ALTER COLUMN data SET STORAGE EXTERNAL;
