CREATE TABLE skills (
    id TEXT COLLATE "C" PRIMARY KEY CHECK (id ~ '^skl_[0-9A-Za-z]{27}$'),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    deleted_at TIMESTAMPTZ,
    version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_by_user_id TEXT COLLATE "C" REFERENCES users (id),
    name TEXT NOT NULL CHECK (name = btrim(name) AND char_length(name) BETWEEN 1 AND 200),
    repo_url TEXT,
    prompt TEXT
);
CREATE INDEX skills_newest ON skills (created_at DESC, id DESC) WHERE deleted_at IS NULL;
