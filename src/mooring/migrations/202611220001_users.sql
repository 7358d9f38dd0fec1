CREATE TABLE users (
    id TEXT COLLATE "C" PRIMARY KEY CHECK (id ~ '^usr_[0-9A-Za-z]{27}$'),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    deleted_at TIMESTAMPTZ,
    version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_by_user_id TEXT COLLATE "C" REFERENCES users (id),
    username TEXT NOT NULL CHECK (username = btrim(username) AND char_length(username) BETWEEN 1 AND 200),
    name TEXT NOT NULL CHECK (name = btrim(name) AND char_length(name) BETWEEN 1 AND 200),
    email TEXT,
    role TEXT NOT NULL DEFAULT 'member' CHECK (role IN ('admin', 'member', 'auditor')),
    disabled_at TIMESTAMPTZ
);
CREATE UNIQUE INDEX users_username ON users (username) WHERE deleted_at IS NULL;
CREATE INDEX users_newest ON users (created_at DESC, id DESC) WHERE deleted_at IS NULL;
