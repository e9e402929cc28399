-- Tenants with limits of their own, what they used, and who did what.
ALTER TABLE tenant
  ADD is_root     boolean NOT NULL DEFAULT false,   -- its admin keys may make tenants
  ADD limits      jsonb NOT NULL DEFAULT '{}',      -- overrides of the installation's, by name
  ADD disabled_at timestamptz;
UPDATE tenant SET is_root = true
 WHERE id = (SELECT id FROM tenant ORDER BY created_at, id LIMIT 1);

CREATE UNIQUE INDEX tenant_one_root ON tenant (is_root) WHERE is_root;
CREATE INDEX tenant_made ON tenant (created_at, id);

CREATE TABLE audit (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id   text NOT NULL REFERENCES tenant,
  key_id      text,                             -- NULL: the installation itself
  action      text NOT NULL,                    -- a route's name: jobs.create, keys.revoke
  object      text,                             -- id of what it was done to
  status      integer NOT NULL,
  request_id  text NOT NULL,
  address     text NOT NULL,
  at          timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX audit_tenant ON audit (tenant_id, id);
CREATE INDEX audit_at ON audit (at);

CREATE TABLE usage_day (
  tenant_id   text NOT NULL REFERENCES tenant,
  day         date NOT NULL,                    -- UTC
  kind        text NOT NULL,                    -- requests, predictions, predicted_rows, uploaded_bytes; stored_bytes is a gauge
  amount      double precision NOT NULL,
  PRIMARY KEY (tenant_id, day, kind)
);

-- A claim lives as long as who answers keeps it: after a crash the request can be made again at once.
ALTER TABLE idempotency
  ADD holder      text,                         -- instance:random of the claim; NULL once answered
  ADD lease_until timestamptz,
  ADD seed        text;                         -- ids of what the request makes, kept when the claim is taken over
CREATE INDEX idempotency_held ON idempotency (holder) WHERE holder IS NOT NULL;
