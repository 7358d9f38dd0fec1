-- A vault's word for a version means something in that vault alone, and there again something else once the value was
-- moved away and back: a delivery says where the value lay, and how often the secret had been moved by then.
ALTER TABLE secrets ADD COLUMN moves INTEGER NOT NULL DEFAULT 0 CHECK (moves >= 0);
ALTER TABLE secret_deliveries
    ADD COLUMN vault TEXT,
    ADD COLUMN vault_id TEXT,
    ADD COLUMN moves INTEGER CHECK (moves >= 0),
    ADD CHECK ((vault IS NULL) = (vault_id IS NULL) AND (vault IS NULL) = (moves IS NULL));

-- Moves were not counted so far. What the record shows as never moved lies where it lay; the rest stays unknown. Events
-- are archived oldest first: where the first one of a secret is there, none of its moves is missing.
UPDATE secret_deliveries AS d SET vault = s.vault, vault_id = s.vault_id, moves = 0
FROM secrets AS s
WHERE s.id = d.secret_id
    AND EXISTS (SELECT 1 FROM resource_events AS e WHERE e.resource_id = s.id AND e.action = 'secret.create')
    AND NOT EXISTS (SELECT 1 FROM resource_events AS e WHERE e.resource_id = s.id AND e.action = 'secret.move');

-- Who still holds a secret is asked of the few runs that are not over, not of all that ever got it.
CREATE INDEX runs_under_way ON runs (id) WHERE ended_at IS NULL;
