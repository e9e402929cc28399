-- What a coming release could add: columns, a table and an index that today's programs know nothing of.
ALTER TABLE job ADD next_note text NOT NULL DEFAULT '';
ALTER TABLE trial ADD next_cost double precision;
CREATE TABLE next_thing (
  job_id text NOT NULL REFERENCES job,
  what   text NOT NULL,
  PRIMARY KEY (job_id, what)
);
CREATE INDEX next_trial_cost ON trial (job_id, next_cost);
