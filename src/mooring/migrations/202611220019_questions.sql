CREATE TABLE questions (
    id TEXT COLLATE "C" PRIMARY KEY CHECK (id ~ '^que_[0-9A-Za-z]{27}$'),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    deleted_at TIMESTAMPTZ,
    version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_by_user_id TEXT COLLATE "C" REFERENCES users (id),
    session_id TEXT COLLATE "C" NOT NULL REFERENCES sessions (id),
    run_id TEXT COLLATE "C" NOT NULL REFERENCES runs (id),
    reference TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('permission', 'question')),
    action JSONB NOT NULL,
    hash TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'answered', 'expired', 'withdrawn')),
    answer JSONB,
    answered_by_user_id TEXT COLLATE "C" REFERENCES users (id),
    deadline TIMESTAMPTZ,
    UNIQUE (run_id, reference)
);
CREATE INDEX questions_open ON questions (session_id) WHERE state = 'open' AND deleted_at IS NULL;
CREATE INDEX questions_newest ON questions (created_at DESC, id DESC) WHERE deleted_at IS NULL;
