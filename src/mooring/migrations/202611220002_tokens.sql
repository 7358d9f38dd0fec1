CREATE TABLE tokens (
    id TEXT COLLATE "C" PRIMARY KEY CHECK (id ~ '^tok_[0-9A-Za-z]{27}$'),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    deleted_at TIMESTAMPTZ,
    version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_by_user_id TEXT COLLATE "C" REFERENCES users (id),
    user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id),
    name TEXT NOT NULL CHECK (name = btrim(name) AND char_length(name) BETWEEN 1 AND 200),
    hash BYTEA NOT NULL CHECK (octet_length(hash) = 32),
    scopes TEXT[] NOT NULL DEFAULT '{read,write}' CHECK (scopes <@ ARRAY['read', 'write'] AND cardinality(scopes) >= 1),
    expires_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ
);
CREATE UNIQUE INDEX tokens_hash ON tokens (hash);
CREATE INDEX tokens_user ON tokens (user_id) WHERE deleted_at IS NULL;
CREATE INDEX tokens_newest ON tokens (created_at DESC, id DESC) WHERE deleted_at IS NULL;

-- When a token was last used is no change of the token: no version, no event.
CREATE TABLE token_uses (
    token_id TEXT COLLATE "C" PRIMARY KEY REFERENCES tokens (id),
    used_at TIMESTAMPTZ NOT NULL
);
