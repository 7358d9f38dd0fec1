CREATE TABLE secrets (
    id TEXT COLLATE "C" PRIMARY KEY CHECK (id ~ '^sec_[0-9A-Za-z]{27}$'),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    deleted_at TIMESTAMPTZ,
    version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_by_user_id TEXT COLLATE "C" REFERENCES users (id),
    name TEXT NOT NULL CHECK (name = btrim(name) AND char_length(name) BETWEEN 1 AND 200),
    description TEXT NOT NULL DEFAULT '',
    vault TEXT NOT NULL CHECK (vault IN ('local', 'workos', 'openbao')),
    vault_id TEXT NOT NULL,
    secret_version INTEGER NOT NULL DEFAULT 1 CHECK (secret_version >= 1)
);
CREATE UNIQUE INDEX secrets_name ON secrets (name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX secrets_vault_id ON secrets (vault, vault_id) WHERE deleted_at IS NULL;
CREATE INDEX secrets_newest ON secrets (created_at DESC, id DESC) WHERE deleted_at IS NULL;

CREATE TABLE group_secrets (
    group_id TEXT COLLATE "C" NOT NULL REFERENCES groups (id),
    secret_id TEXT COLLATE "C" NOT NULL REFERENCES secrets (id),
    PRIMARY KEY (group_id, secret_id)
);
CREATE INDEX group_secrets_secret ON group_secrets (secret_id);
