-- The record. seq is the order of writing for one resource; `number` (event_numbers) is the order everyone reads.
CREATE TABLE resource_events (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL UNIQUE CHECK (id ~ '^rev_[0-9A-Za-z]{27}$'),
    -- When it was written, not when its transaction began: of two that waited for one row, the later one is later here.
    timestamp TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    actor_id TEXT COLLATE "C" REFERENCES users (id),
    resource_type TEXT NOT NULL,
    resource_id TEXT COLLATE "C" NOT NULL,
    action TEXT NOT NULL CHECK (action ~ '^[a-z_]+\.[a-z_]+$'),
    details JSONB NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(details) = 'object'),
    reason TEXT
);
CREATE INDEX resource_events_resource ON resource_events (resource_id, seq);
CREATE INDEX resource_events_newest ON resource_events (timestamp DESC, id DESC);

-- Events that have no number yet; the sequencer drains it in the order of seq.
CREATE TABLE event_outbox (
    seq BIGINT PRIMARY KEY
);

CREATE TABLE event_numbers (
    number BIGINT PRIMARY KEY CHECK (number >= 1),
    seq BIGINT NOT NULL UNIQUE REFERENCES resource_events (seq)
);

CREATE FUNCTION refuse_change() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON resource_events
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_table BEFORE TRUNCATE ON resource_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
