CREATE TABLE workflow_skills (
    id TEXT COLLATE "C" PRIMARY KEY CHECK (id ~ '^wfs_[0-9A-Za-z]{27}$'),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    deleted_at TIMESTAMPTZ,
    version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_by_user_id TEXT COLLATE "C" REFERENCES users (id),
    workflow_id TEXT COLLATE "C" NOT NULL REFERENCES workflows (id),
    skill_id TEXT COLLATE "C" NOT NULL REFERENCES skills (id),
    position INTEGER NOT NULL CHECK (position >= 0),
    -- A partial unique index would fail in the middle of a reorder; this one is looked at when the transaction ends.
    EXCLUDE USING btree (workflow_id WITH =, position WITH =) WHERE (deleted_at IS NULL) DEFERRABLE INITIALLY DEFERRED
);
CREATE UNIQUE INDEX workflow_skills_once ON workflow_skills (workflow_id, skill_id) WHERE deleted_at IS NULL;
CREATE INDEX workflow_skills_skill ON workflow_skills (skill_id) WHERE deleted_at IS NULL;
CREATE INDEX workflow_skills_newest ON workflow_skills (created_at DESC, id DESC) WHERE deleted_at IS NULL;
