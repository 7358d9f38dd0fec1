-- What finds one file inside an archive: the block table beside it, and where each file's content begins in the tar.
ALTER TABLE filesystem_versions
    ADD COLUMN blocks_key TEXT NOT NULL,
    ADD COLUMN blocks_checksum TEXT NOT NULL CHECK (blocks_checksum ~ '^sha256:[0-9a-f]{64}$');

-- The rows of a manifest are there before the version that they belong to: a version that is seen is whole.
ALTER TABLE filesystem_entries DROP CONSTRAINT filesystem_entries_version_id_fkey;
ALTER TABLE filesystem_entries ADD COLUMN tar_offset BIGINT CHECK (tar_offset >= 0);

CREATE INDEX filesystems_importing ON filesystems (updated_at, id)
    WHERE deleted_at IS NULL AND source IS NOT NULL AND phase IN ('pending', 'importing');

-- Every blob of filesystems: noted before it is stored. What no living version names is due, and removed when its time
-- has come. Operational: no versions, no events.
CREATE TABLE filesystem_blobs (
    key TEXT COLLATE "C" PRIMARY KEY,
    -- Of an upload that is whole.
    size BIGINT CHECK (size >= 0),
    -- Null: a living version names it.
    due TIMESTAMPTZ,
    -- Being removed: nobody may come to name it any more.
    taken BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE INDEX filesystem_blobs_due ON filesystem_blobs (due) WHERE due IS NOT NULL;

-- Rows of manifests whose version never came, or is gone: removed when their time has come.
CREATE TABLE filesystem_manifests (
    version_id TEXT COLLATE "C" PRIMARY KEY,
    due TIMESTAMPTZ
);
CREATE INDEX filesystem_manifests_due ON filesystem_manifests (due) WHERE due IS NOT NULL;
