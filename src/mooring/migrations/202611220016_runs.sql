CREATE TABLE runs (
    id TEXT COLLATE "C" PRIMARY KEY CHECK (id ~ '^run_[0-9A-Za-z]{27}$'),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    deleted_at TIMESTAMPTZ,
    version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_by_user_id TEXT COLLATE "C" REFERENCES users (id),
    compute_instance_id TEXT COLLATE "C" REFERENCES compute_instances (id),
    session_id TEXT COLLATE "C" REFERENCES sessions (id),
    engine TEXT NOT NULL,
    phase TEXT NOT NULL DEFAULT 'pending' CHECK (phase IN ('pending', 'starting', 'running', 'stopping', 'succeeded', 'failed', 'stopped', 'lost')),
    wanted TEXT NOT NULL DEFAULT 'running' CHECK (wanted IN ('running', 'stopped')),
    reason TEXT,
    exit_code INTEGER,
    started_at TIMESTAMPTZ,
    ended_at TIMESTAMPTZ,
    -- What the driver is asked to make; no secret in it.
    spec JSONB NOT NULL CHECK (jsonb_typeof(spec) = 'object'),
    CHECK ((ended_at IS NOT NULL) = (phase IN ('succeeded', 'failed', 'stopped', 'lost')))
);
-- A session has one life at a time.
CREATE UNIQUE INDEX runs_session ON runs (session_id)
    WHERE deleted_at IS NULL AND phase IN ('pending', 'starting', 'running', 'stopping');
CREATE INDEX runs_instance ON runs (compute_instance_id) WHERE deleted_at IS NULL;
CREATE INDEX runs_newest ON runs (created_at DESC, id DESC) WHERE deleted_at IS NULL;

-- A run's link: what the runner fetches, what it acknowledged, what it reported; and when nothing was left of it.
CREATE TABLE run_links (
    run_id TEXT COLLATE "C" PRIMARY KEY REFERENCES runs (id),
    -- The data directory its inputs lie in: only workers of that directory make and watch it.
    place TEXT NOT NULL,
    assignment JSONB NOT NULL CHECK (jsonb_typeof(assignment) = 'object'),
    environment_received_at TIMESTAMPTZ,
    report JSONB CHECK (jsonb_typeof(report) = 'object'),
    -- When its session had taken what it left; before that nothing of it is removed.
    released_at TIMESTAMPTZ,
    cleared_at TIMESTAMPTZ
);
CREATE INDEX run_links_uncleared ON run_links (place, run_id) WHERE cleared_at IS NULL;

-- What the control plane tells a run, in order.
CREATE TABLE run_commands (
    run_id TEXT COLLATE "C" NOT NULL REFERENCES runs (id),
    number BIGINT NOT NULL CHECK (number >= 1),
    type TEXT NOT NULL CHECK (type IN ('cancel', 'stop', 'message', 'answer', 'pause')),
    data JSONB NOT NULL DEFAULT '{}',
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, number)
);

-- The output of runs that belong to no session; `number` is the runner's own.
CREATE TABLE run_logs (
    run_id TEXT COLLATE "C" NOT NULL REFERENCES runs (id),
    number BIGINT NOT NULL CHECK (number >= 1),
    at TIMESTAMPTZ NOT NULL,
    type TEXT NOT NULL,
    data JSONB NOT NULL,
    PRIMARY KEY (run_id, number)
);
