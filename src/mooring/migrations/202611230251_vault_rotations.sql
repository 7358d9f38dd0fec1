-- A change of the embedded vault's key: every older wrap is made anew under the key that was active when it was asked for.
DROP TABLE vault_rotations;
CREATE TABLE vault_rotations (
    id TEXT COLLATE "C" PRIMARY KEY CHECK (id ~ '^vrt_[0-9A-Za-z]{27}$'),
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    deleted_at TIMESTAMPTZ,
    version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_by_user_id TEXT COLLATE "C" REFERENCES users (id),
    key_id TEXT COLLATE "C" NOT NULL,
    phase TEXT NOT NULL DEFAULT 'running' CHECK (phase IN ('running', 'completed', 'failed')),
    -- How many values it moved to the key, and the secrets whose values did not open.
    done INTEGER NOT NULL DEFAULT 0,
    broken TEXT[] NOT NULL DEFAULT '{}',
    ended_at TIMESTAMPTZ,
    CHECK ((ended_at IS NOT NULL) = (phase <> 'running'))
);
CREATE INDEX vault_rotations_newest ON vault_rotations (created_at DESC, id DESC) WHERE deleted_at IS NULL;
