-- The pauses of sessions: which run was told to, when it had ended with everything kept, when another went on with that.
CREATE TABLE session_pauses (
    run_id TEXT COLLATE "C" PRIMARY KEY REFERENCES runs (id),
    session_id TEXT COLLATE "C" NOT NULL REFERENCES sessions (id),
    asked_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    paused_at TIMESTAMPTZ,
    resumed_at TIMESTAMPTZ,
    CHECK (resumed_at IS NULL OR paused_at IS NOT NULL)
);
CREATE INDEX session_pauses_session ON session_pauses (session_id, asked_at);

-- A session may have had several runs, and its newest is asked for at each step.
CREATE INDEX runs_of_session ON runs (session_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;
