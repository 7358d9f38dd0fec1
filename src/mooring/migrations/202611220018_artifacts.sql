CREATE TABLE artifacts (
    id TEXT COLLATE "C" PRIMARY KEY CHECK (id ~ '^art_[0-9A-Za-z]{27}$'),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    deleted_at TIMESTAMPTZ,
    version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_by_user_id TEXT COLLATE "C" REFERENCES users (id),
    session_id TEXT COLLATE "C" NOT NULL REFERENCES sessions (id),
    name TEXT NOT NULL CHECK (name = btrim(name) AND char_length(name) BETWEEN 1 AND 200),
    size BIGINT NOT NULL CHECK (size >= 0),
    sha256 TEXT NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    blob_key TEXT NOT NULL,
    withheld TEXT
);
CREATE UNIQUE INDEX artifacts_name ON artifacts (session_id, name) WHERE deleted_at IS NULL;
CREATE INDEX artifacts_newest ON artifacts (created_at DESC, id DESC) WHERE deleted_at IS NULL;
