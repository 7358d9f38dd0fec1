-- What a run may get, as its plan has it; and on whose behalf it is made.
ALTER TABLE run_links
    ADD COLUMN exposures JSONB NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(exposures) = 'array'),
    ADD COLUMN on_behalf_of TEXT COLLATE "C" REFERENCES users (id);
ALTER TABLE session_plans ADD COLUMN started_by TEXT COLLATE "C" REFERENCES users (id);

-- Which run got which version of which secret: the newest time, where it asked again. Operational; the events are the record.
CREATE TABLE secret_deliveries (
    run_id TEXT COLLATE "C" NOT NULL REFERENCES runs (id),
    secret_id TEXT COLLATE "C" NOT NULL REFERENCES secrets (id),
    secret_version INTEGER NOT NULL CHECK (secret_version >= 1),
    vault_version TEXT NOT NULL,
    delivered_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, secret_id)
);
CREATE INDEX secret_deliveries_secret ON secret_deliveries (secret_id, delivered_at DESC);
