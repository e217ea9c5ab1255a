-- Appends a chunk of an import, as append_v1 does, after another chunk: of an event that is not in the log yet (p_follows)
-- nothing follows, and the verdict is `w`, for wait.
--
-- So an importer has two calls under way, on two connections: while the first holds the lock and writes, the arguments of the
-- second are received and parsed, which is a third of the work; and however they come to the lock, the order is kept.
-- Indexes: events_id_key; those of append_v1.
CREATE FUNCTION import_v1(
    p_follows     uuid,
    p_id          uuid[],
    p_type        text[],
    p_occurred_at timestamptz[],
    p_payload     jsonb[],
    p_metadata    jsonb[]
) RETURNS TABLE (request integer, verdict "char", place bigint, condition integer, item integer, blocker integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET jit = off
SET lock_timeout = '2s'
AS $$
BEGIN
    PERFORM require_read_committed_v1();
    PERFORM pg_advisory_xact_lock(1163284301, 'events'::regclass::oid::integer);
    IF p_follows IS NOT NULL AND NOT EXISTS (SELECT FROM events e WHERE e.id = p_follows) THEN
        RETURN QUERY SELECT 1, 'w'::"char", NULL::bigint, NULL::integer, NULL::integer, NULL::integer;
        RETURN;
    END IF;
    RETURN QUERY
    SELECT a.request, a.verdict, a.place, a.condition, a.item, a.blocker
    FROM append_v1(array_fill(1, ARRAY[cardinality(p_id)]), p_id, p_type, p_occurred_at, p_payload, p_metadata,
                   '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
                   '{}', '{}', '{}', '{}') AS a;
END
$$;

COMMENT ON FUNCTION import_v1 IS 'eventstore: appends one chunk of an import, after the chunk before it';
REVOKE ALL ON FUNCTION import_v1 FROM PUBLIC;
