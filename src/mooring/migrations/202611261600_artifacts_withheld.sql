-- What was kept back is listed too: it has a name, a size and a reason, and no bytes.
-- A file's name may begin and end with a space.
ALTER TABLE artifacts
    ALTER sha256 DROP NOT NULL,
    ALTER blob_key DROP NOT NULL,
    DROP CONSTRAINT artifacts_name_check,
    ADD CONSTRAINT artifacts_name_check CHECK (char_length(name) BETWEEN 1 AND 200),
    ADD CONSTRAINT artifacts_bytes CHECK (
        CASE WHEN withheld IS NULL THEN sha256 IS NOT NULL AND blob_key IS NOT NULL
        ELSE sha256 IS NULL AND blob_key IS NULL END
    );
