-- Old events may leave the database once they are sealed and lie in the object store, batch by batch (docs/audit.md).
-- Their numbers stay: no number is given out twice.
CREATE TABLE event_archives (
    last BIGINT PRIMARY KEY REFERENCES event_seals (last),
    first BIGINT NOT NULL UNIQUE REFERENCES event_seals (first),
    sha256 BYTEA NOT NULL CHECK (octet_length(sha256) = 32),
    archived_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    CHECK (last >= first)
);
CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON event_archives
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_table BEFORE TRUNCATE ON event_archives
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE event_numbers DROP CONSTRAINT event_numbers_seq_fkey;

CREATE OR REPLACE FUNCTION refuse_change() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'resource_events' THEN
        IF EXISTS (
            SELECT 1 FROM event_numbers AS n JOIN event_archives AS a ON n.number BETWEEN a.first AND a.last
            WHERE n.seq = OLD.seq
        ) THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;

-- The application may not delete events; it may have those forgotten that an archive holds.
CREATE FUNCTION forget_events(upto BIGINT) RETURNS BIGINT LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    gone BIGINT;
BEGIN
    DELETE FROM resource_events WHERE seq IN (
        SELECT n.seq FROM event_archives AS a JOIN event_numbers AS n ON n.number BETWEEN a.first AND a.last
        WHERE a.last = upto
    );
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END
$$;
