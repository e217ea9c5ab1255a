-- Begins to drop a declared path: filters may not use it any more, and appends give it no keys. The keys that are there
-- go with index_step_v1. Called again it goes on with what there is; no row means that the path is not declared.
CREATE FUNCTION drop_path_v1(p_path text)
RETURNS TABLE (state text, done_to bigint, target bigint)
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
SET lock_timeout = '2s'
AS $$
#variable_conflict use_column
DECLARE
    head bigint;
BEGIN
    PERFORM require_read_committed_v1();
    -- The row first, which a step keeps until its end: nothing is waited for under the append lock.
    PERFORM FROM indexed_paths i WHERE i.path = p_path FOR UPDATE;
    PERFORM pg_advisory_xact_lock(1163284301, 'events'::regclass::oid::integer);
    SELECT coalesce(max(e.position), 0) INTO head FROM events e;
    UPDATE indexed_paths AS i SET state = 'dropping', done_to = 0, target = head
    WHERE i.path = p_path AND i.state <> 'dropping';
    RETURN QUERY SELECT i.state, i.done_to, i.target FROM indexed_paths i WHERE i.path = p_path;
END
$$;

COMMENT ON FUNCTION drop_path_v1 IS 'eventstore: begins to drop a declared payload path';
REVOKE ALL ON FUNCTION drop_path_v1 FROM PUBLIC;
