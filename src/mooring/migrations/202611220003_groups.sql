CREATE TABLE groups (
    id TEXT COLLATE "C" PRIMARY KEY CHECK (id ~ '^grp_[0-9A-Za-z]{27}$'),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    deleted_at TIMESTAMPTZ,
    version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_by_user_id TEXT COLLATE "C" REFERENCES users (id),
    name TEXT NOT NULL CHECK (name = btrim(name) AND char_length(name) BETWEEN 1 AND 200),
    description TEXT NOT NULL DEFAULT '',
    git_credentials JSONB NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(git_credentials) = 'object')
);
CREATE UNIQUE INDEX groups_name ON groups (name) WHERE deleted_at IS NULL;
CREATE INDEX groups_newest ON groups (created_at DESC, id DESC) WHERE deleted_at IS NULL;

-- Members belong to their group: adding or removing one is a change of the group.
CREATE TABLE group_members (
    group_id TEXT COLLATE "C" NOT NULL REFERENCES groups (id),
    user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id),
    role TEXT NOT NULL CHECK (role IN ('owner', 'operator', 'viewer')),
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX group_members_user ON group_members (user_id);
