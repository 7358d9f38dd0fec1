CREATE TABLE tasks (
    id TEXT COLLATE "C" PRIMARY KEY CHECK (id ~ '^tsk_[0-9A-Za-z]{27}$'),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    deleted_at TIMESTAMPTZ,
    version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_by_user_id TEXT COLLATE "C" REFERENCES users (id),
    name TEXT NOT NULL CHECK (name = btrim(name) AND char_length(name) BETWEEN 1 AND 200),
    repo_url TEXT,
    prompt TEXT,
    "check" TEXT,
    max_attempts INTEGER NOT NULL DEFAULT 1 CHECK (max_attempts BETWEEN 1 AND 100),
    runtime TEXT CHECK (runtime <> ''),
    timeout DOUBLE PRECISION CHECK (timeout > 0)
);
CREATE INDEX tasks_newest ON tasks (created_at DESC, id DESC) WHERE deleted_at IS NULL;
