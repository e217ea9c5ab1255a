-- Declares a path of a live log, or says how far it is. From the commit of this call on every append gives it keys; those
-- of earlier events are made by index_step_v1. Under the append lock, so that no append lies between: one autocommit
-- call, so that a client which stops can not keep the lock. Called again it goes on with what there is.
CREATE FUNCTION index_path_v1(p_path text, p_extract text, p_top_level boolean)
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
    PERFORM pg_advisory_xact_lock(1163284301, 'events'::regclass::oid::integer);
    SELECT coalesce(max(e.position), 0) INTO head FROM events e;
    INSERT INTO indexed_paths (path, extract, state, target)
    SELECT p_path, p_extract::jsonpath,
           CASE WHEN head = 0 OR (l.index_top_level AND p_top_level) THEN 'ready' ELSE 'building' END, head
    FROM log l
    ON CONFLICT (path) DO NOTHING;
    RETURN QUERY SELECT i.state, i.done_to, i.target FROM indexed_paths i WHERE i.path = p_path;
END
$$;

COMMENT ON FUNCTION index_path_v1 IS 'eventstore: declares a payload path whose values become keys';
REVOKE ALL ON FUNCTION index_path_v1 FROM PUBLIC;
