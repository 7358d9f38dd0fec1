CREATE TABLE filesystem_versions (
    id TEXT COLLATE "C" PRIMARY KEY CHECK (id ~ '^fsv_[0-9A-Za-z]{27}$'),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    deleted_at TIMESTAMPTZ,
    version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_by_user_id TEXT COLLATE "C" REFERENCES users (id),
    filesystem_id TEXT COLLATE "C" NOT NULL REFERENCES filesystems (id),
    number INTEGER NOT NULL CHECK (number >= 1),
    parent_version_id TEXT COLLATE "C" REFERENCES filesystem_versions (id),
    source TEXT NOT NULL CHECK (source IN ('upload', 'import', 'session')),
    session_id TEXT COLLATE "C",
    s3_archive_bucket TEXT NOT NULL,
    s3_archive_key TEXT NOT NULL,
    archive_checksum TEXT NOT NULL CHECK (archive_checksum ~ '^sha256:[0-9a-f]{64}$'),
    given_checksum TEXT CHECK (given_checksum ~ '^sha256:[0-9a-f]{64}$'),
    archive_type TEXT NOT NULL DEFAULT 'tar.gz' CHECK (archive_type IN ('tar.gz', 'zip', 'tar.zst')),
    archive_size BIGINT NOT NULL CHECK (archive_size >= 0),
    uncompressed_size BIGINT NOT NULL CHECK (uncompressed_size >= 0),
    manifest_key TEXT NOT NULL,
    manifest_checksum TEXT NOT NULL CHECK (manifest_checksum ~ '^sha256:[0-9a-f]{64}$'),
    entry_count BIGINT NOT NULL CHECK (entry_count >= 0),
    UNIQUE (filesystem_id, number)
);
CREATE INDEX filesystem_versions_newest ON filesystem_versions (created_at DESC, id DESC) WHERE deleted_at IS NULL;

ALTER TABLE filesystems ADD FOREIGN KEY (current_version_id) REFERENCES filesystem_versions (id);

-- The manifest as rows, for browsing: a page of one directory is one range of the first index.
CREATE TABLE filesystem_entries (
    version_id TEXT COLLATE "C" NOT NULL REFERENCES filesystem_versions (id),
    parent TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    type TEXT NOT NULL CHECK (type IN ('file', 'directory', 'symlink')),
    size BIGINT NOT NULL CHECK (size >= 0),
    mode INTEGER NOT NULL,
    mtime BIGINT NOT NULL,
    sha256 BYTEA CHECK (octet_length(sha256) = 32),
    target TEXT,
    PRIMARY KEY (version_id, parent, name)
);
