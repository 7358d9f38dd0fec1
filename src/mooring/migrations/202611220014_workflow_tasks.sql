CREATE TABLE workflow_tasks (
    id TEXT COLLATE "C" PRIMARY KEY CHECK (id ~ '^wft_[0-9A-Za-z]{27}$'),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    deleted_at TIMESTAMPTZ,
    version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_by_user_id TEXT COLLATE "C" REFERENCES users (id),
    workflow_id TEXT COLLATE "C" NOT NULL REFERENCES workflows (id),
    task_id TEXT COLLATE "C" NOT NULL REFERENCES tasks (id),
    position INTEGER NOT NULL CHECK (position >= 0),
    continue_on_failure BOOLEAN NOT NULL DEFAULT FALSE,
    -- A partial unique index would fail in the middle of a reorder; this one is looked at when the transaction ends.
    EXCLUDE USING btree (workflow_id WITH =, position WITH =) WHERE (deleted_at IS NULL) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX workflow_tasks_task ON workflow_tasks (task_id) WHERE deleted_at IS NULL;
CREATE INDEX workflow_tasks_newest ON workflow_tasks (created_at DESC, id DESC) WHERE deleted_at IS NULL;
