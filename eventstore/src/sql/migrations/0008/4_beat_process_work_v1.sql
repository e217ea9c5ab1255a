-- Has leases last longer; returns the ids for which they still held. What somebody locks is not waited for: it is told as it was last,
-- and not made to last longer. SECURITY DEFINER as claim_process_work_v1 is. Index: process_work_pkey.
CREATE FUNCTION beat_process_work_v1(p_ids uuid[], p_leases uuid[], p_for interval)
RETURNS TABLE (id uuid, is_extended boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
#variable_conflict use_column
BEGIN
    PERFORM require_read_committed_v1();
    PERFORM set_config('synchronous_commit', 'off', true);
    RETURN QUERY
        WITH held AS MATERIALIZED (
            SELECT w.id
            FROM unnest(p_ids, p_leases) AS s(id, lease)
            JOIN process_work AS w ON w.id = s.id AND w.lease = s.lease
            ORDER BY w.id
            FOR UPDATE OF w SKIP LOCKED
        ), extended AS (
            UPDATE process_work AS w SET leased_until = clock_timestamp() + p_for FROM held AS h WHERE w.id = h.id
            RETURNING w.id
        )
        SELECT w.id, w.id IN (SELECT e.id FROM extended e)
        FROM unnest(p_ids, p_leases) AS s(id, lease)
        JOIN process_work AS w ON w.id = s.id AND w.lease = s.lease;
END
$$;

COMMENT ON FUNCTION beat_process_work_v1 IS 'eventstore: has leases on work of a process manager last longer';
REVOKE ALL ON FUNCTION beat_process_work_v1 FROM PUBLIC;
