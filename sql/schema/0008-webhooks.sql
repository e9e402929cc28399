-- Calls to the outside when something happened. Secrets must be known to sign with, so they are kept as they are.
CREATE TABLE webhook (
  id          text PRIMARY KEY,
  tenant_id   text NOT NULL REFERENCES tenant,
  job_id      text REFERENCES job,              -- set for the webhook named in one job's request
  url         text NOT NULL,
  secret      text NOT NULL,
  events      text[] NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now(),
  deleted_at  timestamptz
);
CREATE INDEX webhook_tenant ON webhook (tenant_id, created_at, id) WHERE deleted_at IS NULL;

CREATE TABLE webhook_delivery (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  webhook_id  text NOT NULL REFERENCES webhook,
  event       text NOT NULL,
  event_key   text NOT NULL,                    -- what happened, once: job id and event number
  payload     jsonb NOT NULL,
  state       text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending','delivered','failed')),
  attempts    integer NOT NULL DEFAULT 0,
  next_at     timestamptz NOT NULL DEFAULT now(),
  lease_token bigint NOT NULL DEFAULT 0,
  lease_until timestamptz,
  last_status integer,
  last_error  text,
  created_at  timestamptz NOT NULL DEFAULT now(),
  ended_at    timestamptz,
  UNIQUE (webhook_id, event_key)
);
CREATE INDEX webhook_delivery_due ON webhook_delivery (next_at) WHERE state = 'pending';
