-- Whether what a session changes in its instance's filesystem becomes a version of it.
ALTER TABLE sessions ADD COLUMN capture BOOLEAN NOT NULL DEFAULT FALSE;
