-- Has parked work of a process done again (p_drop is false), or drops it. Returns how much there was. What
-- was started is asked after again, with as much time as there is: none is set any more.
-- SECURITY DEFINER as claim_process_work_v1 is. Indexes: process_work_pkey, process_work_parked.
CREATE FUNCTION unpark_process_work_v1(p_process text, p_ids uuid[], p_drop boolean) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
DECLARE
    v_count bigint;
BEGIN
    PERFORM require_read_committed_v1();
    PERFORM FROM process_work w WHERE w.process = p_process AND w.is_parked AND w.id = ANY (p_ids) ORDER BY w.id FOR UPDATE;
    IF p_drop THEN
        DELETE FROM process_work w WHERE w.process = p_process AND w.is_parked AND w.id = ANY (p_ids);
    ELSE
        UPDATE process_work w SET is_parked = false, parked_at = NULL, attempts = 0, due_at = clock_timestamp(), deadline_at = NULL
        WHERE w.process = p_process AND w.is_parked AND w.id = ANY (p_ids);
    END IF;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$$;

COMMENT ON FUNCTION unpark_process_work_v1 IS 'eventstore: has parked work of a process manager done again, or drops it';
REVOKE ALL ON FUNCTION unpark_process_work_v1 FROM PUBLIC;
