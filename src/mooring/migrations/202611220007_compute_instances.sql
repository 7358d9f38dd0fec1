CREATE TABLE compute_instances (
    id TEXT COLLATE "C" PRIMARY KEY CHECK (id ~ '^ci_[0-9A-Za-z]{27}$'),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    deleted_at TIMESTAMPTZ,
    version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_by_user_id TEXT COLLATE "C" REFERENCES users (id),
    name TEXT NOT NULL CHECK (name = btrim(name) AND char_length(name) BETWEEN 1 AND 200),
    description TEXT NOT NULL DEFAULT '',
    image_name TEXT NOT NULL DEFAULT 'host' CHECK (image_name <> ''),
    command TEXT NOT NULL DEFAULT '',
    environment JSONB NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(environment) = 'object'),
    group_id TEXT COLLATE "C" NOT NULL REFERENCES groups (id),
    filesystem_id TEXT COLLATE "C" REFERENCES filesystems (id),
    filesystem_version_id TEXT COLLATE "C" REFERENCES filesystem_versions (id),
    engine TEXT NOT NULL DEFAULT 'local',
    cpus DOUBLE PRECISION CHECK (cpus > 0),
    memory BIGINT CHECK (memory > 0),
    pids INTEGER CHECK (pids > 0),
    disk BIGINT CHECK (disk > 0),
    timeout DOUBLE PRECISION CHECK (timeout > 0),
    network TEXT NOT NULL DEFAULT 'none' CHECK (network IN ('none', 'allow-list', 'full')),
    network_allow TEXT[] NOT NULL DEFAULT '{}'
);
CREATE UNIQUE INDEX compute_instances_name ON compute_instances (group_id, name) WHERE deleted_at IS NULL;
CREATE INDEX compute_instances_newest ON compute_instances (created_at DESC, id DESC) WHERE deleted_at IS NULL;
