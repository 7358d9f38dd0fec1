-- A session's transcript: dense numbers of its own, each (run, seq) at most once.
CREATE TABLE session_events (
    session_id TEXT COLLATE "C" NOT NULL REFERENCES sessions (id),
    number BIGINT NOT NULL CHECK (number >= 1),
    run_id TEXT COLLATE "C" REFERENCES runs (id),
    seq BIGINT CHECK (seq >= 1),
    at TIMESTAMPTZ NOT NULL,
    type TEXT NOT NULL,
    data JSONB NOT NULL,
    PRIMARY KEY (session_id, number),
    CHECK ((run_id IS NULL) = (seq IS NULL))
);
CREATE UNIQUE INDEX session_events_seq ON session_events (run_id, seq) WHERE run_id IS NOT NULL;

-- The last number given out and, of the current run, the last seq stored.
CREATE TABLE session_cursors (
    session_id TEXT COLLATE "C" PRIMARY KEY REFERENCES sessions (id),
    number BIGINT NOT NULL DEFAULT 0,
    run_id TEXT COLLATE "C" REFERENCES runs (id),
    seq BIGINT NOT NULL DEFAULT 0
);
