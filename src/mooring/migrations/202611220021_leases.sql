-- Who works on what, until when. Operational: no versions, no events.
CREATE TABLE leases (
    loop TEXT NOT NULL,
    resource_id TEXT COLLATE "C" NOT NULL,
    token UUID,
    -- The data directory of the worker that holds it.
    holder TEXT,
    until TIMESTAMPTZ,
    due TIMESTAMPTZ,
    failures INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (loop, resource_id)
);
CREATE INDEX leases_due ON leases (loop, due);

CREATE TABLE idempotency_keys (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint BYTEA NOT NULL,
    status INTEGER,
    headers JSONB,
    body BYTEA,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
