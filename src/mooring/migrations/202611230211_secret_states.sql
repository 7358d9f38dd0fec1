-- A secret's place in its vault: the vault's own word for the current version; whether Mooring made the value or was told
-- of it; whether it was found there.
ALTER TABLE secrets
    ADD COLUMN vault_version TEXT,
    ADD COLUMN registered BOOLEAN NOT NULL DEFAULT FALSE,
    ADD COLUMN phase TEXT NOT NULL DEFAULT 'pending' CHECK (phase IN ('pending', 'ready', 'failed')),
    ADD COLUMN reason TEXT,
    ADD CHECK (phase <> 'ready' OR vault_version IS NOT NULL),
    ADD CHECK (registered OR vault_version IS NOT NULL);
CREATE INDEX secrets_unlooked ON secrets (created_at, id) WHERE deleted_at IS NULL AND phase = 'pending';

-- Values in vaults that no row may come to name: noted before a value is stored, crossed out with the row that names it.
-- What is due is removed from its vault. Operational: no versions, no events.
CREATE TABLE vault_leftovers (
    vault TEXT NOT NULL,
    -- The name under which it was stored: the secret's id.
    name TEXT COLLATE "C" NOT NULL,
    due TIMESTAMPTZ NOT NULL,
    -- Being removed: nobody may come to name it any more.
    taken BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (vault, name)
);
CREATE INDEX vault_leftovers_due ON vault_leftovers (due);

-- A change of the embedded vault's key that is under way: every older wrap is to be made anew.
CREATE TABLE vault_rotations (
    id TEXT COLLATE "C" PRIMARY KEY,
    key_id TEXT COLLATE "C" NOT NULL,
    actor_id TEXT COLLATE "C" REFERENCES users (id),
    reason TEXT,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    ended_at TIMESTAMPTZ,
    done INTEGER,
    broken TEXT[] NOT NULL DEFAULT '{}'
);
CREATE INDEX vault_rotations_newest ON vault_rotations (created_at DESC);
