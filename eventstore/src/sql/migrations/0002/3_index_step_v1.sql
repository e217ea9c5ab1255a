-- One step of building or dropping a path: makes or deletes the keys of the next events, in position order, beside
-- running appends: they write other positions, and no lock of theirs is taken. Several callers take turns, by the lock
-- on the path's row. Returns how far the path is then; no row means that it is not declared (any more).
--
-- A key of the path may also be one that the event has for another reason (a top-level path where all of them are
-- indexed, a hash collision): dropping leaves it.
--
-- Indexes: events_pkey (a range of positions), keys_pkey.
CREATE FUNCTION index_step_v1(p_path text, p_events bigint)
RETURNS TABLE (state text, done_to bigint, target bigint)
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    declared indexed_paths;
    up_to    bigint;
    others   boolean;
BEGIN
    PERFORM require_read_committed_v1();
    -- A step that a crash undoes is done again: it need not wait for the disk, nor keep appends waiting for it.
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT * INTO declared FROM indexed_paths i WHERE i.path = p_path FOR UPDATE;
    up_to := least(declared.done_to + p_events, declared.target);
    IF declared.state = 'building' THEN
        INSERT INTO keys (key, position)
        SELECT DISTINCT k.key, e.position
        FROM events e
        CROSS JOIN LATERAL (
            SELECT value_key_v1(p_path, found.value) AS key
            FROM jsonb_path_query(e.payload, declared.extract) AS found(value)
        ) AS k
        WHERE e.position > declared.done_to AND e.position <= up_to AND k.key IS NOT NULL
        ORDER BY k.key, e.position
        ON CONFLICT DO NOTHING;
    ELSIF declared.state = 'dropping' THEN
        SELECT l.index_top_level INTO STRICT others FROM log l;
        DELETE FROM keys k
        USING (
            SELECT DISTINCT own.key, e.position
            FROM events e
            CROSS JOIN LATERAL (
                SELECT value_key_v1(p_path, found.value) AS key
                FROM jsonb_path_query(e.payload, declared.extract) AS found(value)
            ) AS own
            WHERE e.position > declared.done_to AND e.position <= up_to
              AND NOT EXISTS (SELECT FROM event_keys_v1(ARRAY[e.event_type], ARRAY[e.payload], others) AS other
                              WHERE other.key = own.key)
        ) AS gone
        WHERE k.key = gone.key AND k.position = gone.position;
    END IF;
    IF declared.state = 'dropping' AND up_to >= declared.target THEN
        DELETE FROM indexed_paths i WHERE i.path = p_path;
    ELSIF declared.state <> 'ready' THEN
        UPDATE indexed_paths AS i
        SET done_to = up_to, state = CASE WHEN up_to >= declared.target THEN 'ready' ELSE declared.state END
        WHERE i.path = p_path;
    END IF;
    RETURN QUERY SELECT i.state, i.done_to, i.target FROM indexed_paths i WHERE i.path = p_path;
END
$$;

COMMENT ON FUNCTION index_step_v1 IS 'eventstore: makes or deletes the keys of some events at a declared path';
REVOKE ALL ON FUNCTION index_step_v1 FROM PUBLIC;
