-- Appends do not call the function of this inline projection any more; false if there is none of this name. With the last one the trigger
-- goes, for which PostgreSQL locks the events against readers too: a read that takes longer than two seconds is in the way, the call is
-- refused, and appends and reads have waited for these two seconds. Not SECURITY DEFINER, as register_inline_v1.
-- Index: inline_projections_pkey.
CREATE FUNCTION unregister_inline_v1(p_name text) RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
SET lock_timeout = '2s'
AS $$
BEGIN
    PERFORM require_read_committed_v1();
    PERFORM pg_advisory_xact_lock(1163284301, 'events'::regclass::oid::integer);
    DELETE FROM inline_projections i WHERE i.name = p_name;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF NOT EXISTS (SELECT FROM inline_projections) THEN
        DROP TRIGGER IF EXISTS call_inline ON events;
    END IF;
    RETURN true;
END
$$;

COMMENT ON FUNCTION unregister_inline_v1 IS 'eventstore: has appends call a function no more';
REVOKE ALL ON FUNCTION unregister_inline_v1 FROM PUBLIC;
