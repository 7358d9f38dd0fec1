CREATE TABLE instance_secret_mappings (
    id TEXT COLLATE "C" PRIMARY KEY CHECK (id ~ '^ism_[0-9A-Za-z]{27}$'),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    deleted_at TIMESTAMPTZ,
    version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_by_user_id TEXT COLLATE "C" REFERENCES users (id),
    compute_instance_id TEXT COLLATE "C" NOT NULL REFERENCES compute_instances (id),
    secret_id TEXT COLLATE "C" NOT NULL REFERENCES secrets (id),
    expose_as_env TEXT CHECK (expose_as_env ~ '^[A-Za-z_][A-Za-z0-9_]*$'),
    expose_as_file TEXT,
    CHECK ((expose_as_env IS NULL) <> (expose_as_file IS NULL))
);
CREATE UNIQUE INDEX instance_secret_mappings_env
    ON instance_secret_mappings (compute_instance_id, expose_as_env) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX instance_secret_mappings_file
    ON instance_secret_mappings (compute_instance_id, expose_as_file) WHERE deleted_at IS NULL;
CREATE INDEX instance_secret_mappings_secret ON instance_secret_mappings (secret_id) WHERE deleted_at IS NULL;
CREATE INDEX instance_secret_mappings_newest ON instance_secret_mappings (created_at DESC, id DESC) WHERE deleted_at IS NULL;
