-- Keys that every process of an installation shares and nobody else has. Operational: no versions, no events.
CREATE TABLE shared_keys (
    name TEXT PRIMARY KEY,
    key BYTEA NOT NULL CHECK (octet_length(key) = 32)
);
