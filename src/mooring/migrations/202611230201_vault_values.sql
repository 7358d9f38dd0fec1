-- The embedded vault: every version of every value, sealed. The key that opens the wrapped keys is not in the database.
-- No foreign key to secrets: a value comes before its row and may outlive it (see vault_leftovers).
CREATE TABLE vault_values (
    vault_id TEXT COLLATE "C" NOT NULL CHECK (vault_id ~ '^sec_[0-9A-Za-z]{27}$'),
    version INTEGER NOT NULL CHECK (version >= 1),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    -- Which key of the keyring wraps the data key.
    key_id TEXT COLLATE "C" NOT NULL CHECK (key_id ~ '^[0-9a-f]{16}$'),
    wrapped_key BYTEA NOT NULL CHECK (octet_length(wrapped_key) = 60),
    sealed BYTEA NOT NULL CHECK (octet_length(sealed) BETWEEN 29 AND 65564),
    PRIMARY KEY (vault_id, version)
);
CREATE INDEX vault_values_key ON vault_values (key_id);
