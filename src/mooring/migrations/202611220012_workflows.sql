CREATE TABLE workflows (
    id TEXT COLLATE "C" PRIMARY KEY CHECK (id ~ '^wf_[0-9A-Za-z]{27}$'),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    deleted_at TIMESTAMPTZ,
    version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_by_user_id TEXT COLLATE "C" REFERENCES users (id),
    name TEXT NOT NULL CHECK (name = btrim(name) AND char_length(name) BETWEEN 1 AND 200),
    repo_url TEXT,
    prompt TEXT,
    agent_id TEXT COLLATE "C" REFERENCES agents (id)
);
CREATE INDEX workflows_agent ON workflows (agent_id) WHERE deleted_at IS NULL;
CREATE INDEX workflows_newest ON workflows (created_at DESC, id DESC) WHERE deleted_at IS NULL;
