-- Whom the single sign-on means: the `sub` its tokens carry.
ALTER TABLE users ADD COLUMN oidc_subject TEXT CHECK (char_length(oidc_subject) BETWEEN 1 AND 255);
CREATE UNIQUE INDEX users_oidc_subject ON users (oidc_subject) WHERE deleted_at IS NULL;
