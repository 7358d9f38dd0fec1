CREATE TABLE sessions (
    id TEXT COLLATE "C" PRIMARY KEY CHECK (id ~ '^ses_[0-9A-Za-z]{27}$'),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    deleted_at TIMESTAMPTZ,
    version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_by_user_id TEXT COLLATE "C" REFERENCES users (id),
    name TEXT NOT NULL CHECK (name = btrim(name) AND char_length(name) BETWEEN 1 AND 200),
    repo_url TEXT,
    prompt TEXT,
    assigned_user_id TEXT COLLATE "C" REFERENCES users (id),
    workflow_id TEXT COLLATE "C" REFERENCES workflows (id),
    compute_instance_id TEXT COLLATE "C" REFERENCES compute_instances (id),
    phase TEXT NOT NULL DEFAULT 'created' CHECK (phase IN ('created', 'pending', 'preparing', 'running', 'waiting', 'pausing', 'paused', 'completed', 'failed', 'cancelled')),
    wanted TEXT NOT NULL DEFAULT 'run' CHECK (wanted IN ('run', 'pause', 'cancel')),
    reason TEXT,
    plan_hash TEXT CHECK (plan_hash ~ '^sha256:[0-9a-f]{64}$'),
    timeout DOUBLE PRECISION CHECK (timeout > 0),
    idle_timeout DOUBLE PRECISION CHECK (idle_timeout > 0),
    interactive BOOLEAN NOT NULL DEFAULT FALSE,
    permission_policy TEXT NOT NULL DEFAULT 'allow' CHECK (permission_policy IN ('ask', 'allow', 'deny')),
    retried_from TEXT COLLATE "C" REFERENCES sessions (id),
    forked_from TEXT COLLATE "C" REFERENCES sessions (id),
    result JSONB CHECK (jsonb_typeof(result) = 'object'),
    output_filesystem_version_id TEXT COLLATE "C" REFERENCES filesystem_versions (id),
    started_at TIMESTAMPTZ,
    ended_at TIMESTAMPTZ,
    CHECK ((ended_at IS NOT NULL) = (phase IN ('completed', 'failed', 'cancelled'))),
    CHECK (phase NOT IN ('running', 'waiting', 'pausing', 'completed') OR plan_hash IS NOT NULL)
);
CREATE INDEX sessions_active ON sessions (created_at, id)
    WHERE deleted_at IS NULL AND phase IN ('pending', 'preparing', 'running', 'waiting', 'pausing');
CREATE INDEX sessions_assigned ON sessions (assigned_user_id, phase) WHERE deleted_at IS NULL;
CREATE INDEX sessions_workflow ON sessions (workflow_id) WHERE deleted_at IS NULL;
CREATE INDEX sessions_newest ON sessions (created_at DESC, id DESC) WHERE deleted_at IS NULL;

ALTER TABLE filesystem_versions ADD FOREIGN KEY (session_id) REFERENCES sessions (id);

-- What was asked for when the session was started, resolved against the catalog of that moment; and the plan, which adds
-- what only the outside world knows (commits, checksums). Both are written once.
CREATE TABLE session_plans (
    session_id TEXT COLLATE "C" PRIMARY KEY REFERENCES sessions (id),
    request JSONB NOT NULL CHECK (jsonb_typeof(request) = 'object'),
    plan JSONB CHECK (jsonb_typeof(plan) = 'object')
);

-- The states of a session's tasks, in order; they belong to the session.
CREATE TABLE session_tasks (
    session_id TEXT COLLATE "C" NOT NULL REFERENCES sessions (id),
    number INTEGER NOT NULL CHECK (number >= 0),
    name TEXT NOT NULL,
    phase TEXT NOT NULL DEFAULT 'pending'
        CHECK (phase IN ('pending', 'running', 'checking', 'succeeded', 'failed', 'skipped')),
    attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    exit_code INTEGER,
    reason TEXT,
    started_at TIMESTAMPTZ,
    ended_at TIMESTAMPTZ,
    PRIMARY KEY (session_id, number)
);
