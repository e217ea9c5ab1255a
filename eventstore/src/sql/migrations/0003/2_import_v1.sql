-- Appends a chunk of an import, as append_v1 does, after the chunk before it: where that one is not in the log, nothing is
-- written, and the verdict is `w`, for wait.
--
-- So an importer has two calls under way, on two connections: while the first holds the lock and writes, the arguments of the
-- second are received and parsed, which is a third of the work; and however they come to the lock, the order is kept. A
-- chunk that has to be sent in pieces is complete with the last of them: the others have no number.
-- Indexes: imports_pkey; those of append_v1.
CREATE FUNCTION import_v1(
    p_import      uuid,
    p_after       integer,                -- the chunk that must be in the log; 0 for none
    p_chunk       integer,                -- the one that is when this call has ended; null for a piece of it
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
#variable_conflict use_column
DECLARE
    found record;
BEGIN
    PERFORM require_read_committed_v1();
    PERFORM pg_advisory_xact_lock(1163284301, 'events'::regclass::oid::integer);
    IF p_after > 0 AND NOT EXISTS (SELECT FROM imports i WHERE i.id = p_import AND i.chunk >= p_after) THEN
        RETURN QUERY SELECT 1, 'w'::"char", NULL::bigint, NULL::integer, NULL::integer, NULL::integer;
        RETURN;
    END IF;
    SELECT a.request, a.verdict, a.place, a.condition, a.item, a.blocker INTO STRICT found
    FROM append_v1(array_fill(1, ARRAY[cardinality(p_id)]), p_id, p_type, p_occurred_at, p_payload, p_metadata,
                   '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
                   '{}', '{}', '{}', '{}') AS a;
    IF found.verdict IN ('a', 'd') AND p_chunk IS NOT NULL THEN
        INSERT INTO imports AS i (id, chunk) VALUES (p_import, p_chunk)
        ON CONFLICT (id) DO UPDATE SET chunk = greatest(i.chunk, excluded.chunk), updated_at = now();
        IF p_chunk = 1 THEN
            DELETE FROM imports i WHERE i.updated_at < now() - interval '7 days';
        END IF;
    END IF;
    RETURN QUERY SELECT found.request, found.verdict, found.place, found.condition, found.item, found.blocker;
END
$$;

COMMENT ON FUNCTION import_v1 IS 'eventstore: appends one chunk of an import, after the chunk before it';
REVOKE ALL ON FUNCTION import_v1 FROM PUBLIC;

-- Who may append could import before there was this function.
DO $$
DECLARE
    writer text;
BEGIN
    FOR writer IN
        SELECT acl.grantee::regrole::text
        FROM pg_proc AS p, aclexplode(p.proacl) AS acl
        WHERE p.oid = 'append_v1'::regproc AND acl.privilege_type = 'EXECUTE' AND acl.grantee NOT IN (0, p.proowner)
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION import_v1 TO %s', writer);
    END LOOP;
END
$$;
