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
  id          text PRIMARY KEY DEFAULT 'whd_' || replace(gen_random_uuid()::text, '-', ''),
  webhook_id  text NOT NULL REFERENCES webhook,
  event       text NOT NULL,
  event_key   text NOT NULL,                    -- what happened, once: job id and event number
  payload     jsonb NOT NULL,                   -- "data" of the body
  state       text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending','delivered','failed')),
  attempts    integer NOT NULL DEFAULT 0,       -- begun
  next_at     timestamptz NOT NULL DEFAULT now(),
  lease_token bigint NOT NULL DEFAULT 0,
  lease_until timestamptz,
  last_status integer,
  last_error  text,
  created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at    timestamptz,
  UNIQUE (webhook_id, event_key)
);
CREATE INDEX webhook_delivery_due ON webhook_delivery (next_at) WHERE state = 'pending';
CREATE INDEX webhook_delivery_leased ON webhook_delivery (webhook_id, lease_until) WHERE state = 'pending';
CREATE INDEX webhook_delivery_list ON webhook_delivery (webhook_id, created_at, id);
CREATE INDEX webhook_delivery_ended ON webhook_delivery (ended_at) WHERE state <> 'pending';

-- Queues an event for every webhook that wants it, in the transaction that records the event itself.
CREATE FUNCTION webhook_enqueue(tenant text, job text, event_name text, key text, data jsonb)
RETURNS void LANGUAGE sql AS $$
  INSERT INTO webhook_delivery (webhook_id, event, event_key, payload)
  SELECT w.id, event_name, key, data FROM webhook w
   WHERE w.tenant_id = tenant AND w.deleted_at IS NULL AND event_name = ANY (w.events)
     AND (w.job_id IS NULL OR w.job_id = job)
  ON CONFLICT (webhook_id, event_key) DO NOTHING
$$;
