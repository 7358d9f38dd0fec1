-- Seals over the record: each covers the events of some numbers, hangs on the one before, and is signed with a key the
-- database does not have. A copy lies outside as well (see docs/audit.md).
CREATE TABLE event_seals (
    last BIGINT PRIMARY KEY,
    first BIGINT NOT NULL UNIQUE CHECK (first >= 1),
    previous BYTEA NOT NULL CHECK (octet_length(previous) = 32),
    -- The SHA-256 of each event, one behind the other.
    leaves BYTEA NOT NULL,
    root BYTEA NOT NULL CHECK (octet_length(root) = 32),
    key BYTEA NOT NULL CHECK (octet_length(key) = 32),
    signature BYTEA NOT NULL CHECK (octet_length(signature) = 64),
    sealed_at TIMESTAMPTZ NOT NULL,
    CHECK (last >= first AND octet_length(leaves) = 32 * (last - first + 1))
);
CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON event_seals
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_table BEFORE TRUNCATE ON event_seals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
