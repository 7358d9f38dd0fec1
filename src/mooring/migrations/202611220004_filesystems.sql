CREATE TABLE filesystems (
    id TEXT COLLATE "C" PRIMARY KEY CHECK (id ~ '^fs_[0-9A-Za-z]{27}$'),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    deleted_at TIMESTAMPTZ,
    version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_by_user_id TEXT COLLATE "C" REFERENCES users (id),
    name TEXT NOT NULL CHECK (name = btrim(name) AND char_length(name) BETWEEN 1 AND 200),
    description TEXT NOT NULL DEFAULT '',
    phase TEXT NOT NULL DEFAULT 'pending' CHECK (phase IN ('pending', 'importing', 'ready', 'failed')),
    reason TEXT,
    source JSONB CHECK (jsonb_typeof(source) = 'object'),
    archive_type TEXT NOT NULL DEFAULT 'tar.gz' CHECK (archive_type IN ('tar.gz', 'zip', 'tar.zst')),
    current_version_id TEXT COLLATE "C"
);
CREATE UNIQUE INDEX filesystems_name ON filesystems (name) WHERE deleted_at IS NULL;
CREATE INDEX filesystems_newest ON filesystems (created_at DESC, id DESC) WHERE deleted_at IS NULL;

CREATE TABLE group_filesystems (
    group_id TEXT COLLATE "C" NOT NULL REFERENCES groups (id),
    filesystem_id TEXT COLLATE "C" NOT NULL REFERENCES filesystems (id),
    PRIMARY KEY (group_id, filesystem_id)
);
CREATE INDEX group_filesystems_filesystem ON group_filesystems (filesystem_id);
