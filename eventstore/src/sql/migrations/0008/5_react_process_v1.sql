-- Settles what a process manager has reacted to, and writes what follows from it: commands, wake-ups, and wake-ups that are not wanted
-- any more. That is an event of its consumer group (p_group_id and its lease), or work of its own (p_id): a wake-up, or a command that has
-- failed. False, and nothing is written, if the lease does not hold any more: it was settled before, or somebody else has it.
--
-- Guarantee: what follows is written once, together with the end of what it follows from. A wake-up takes the place of the one of the
-- same process, key and name; whoever is at work on that one can not settle it any more. Ids are made of what they follow from.
--
-- SECURITY DEFINER as claim_process_work_v1 is. Indexes: process_work_pkey, process_work_wake_ups, those of settle_group_v1.
CREATE FUNCTION react_process_v1(
    p_process         text,
    p_key             jsonb,
    p_group_id        integer,             -- null for work of its own
    p_position        bigint,              -- of the event; 0 without one
    p_id              uuid,                -- null for an event
    p_lease           uuid,
    p_command_ids     uuid[],
    p_command_names   text[],
    p_payloads        jsonb[],
    p_wake_up_ids     uuid[],
    p_wake_up_names   text[],
    p_wake_up_at      timestamptz[],       -- at an instant …
    p_wake_up_in_ms   double precision[],  -- … or so long from now
    p_cancelled_names text[]
) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET lock_timeout = '1s'
AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
    v_ids uuid[];
BEGIN
    PERFORM require_read_committed_v1();
    IF cardinality(p_wake_up_names) > 0 OR cardinality(p_cancelled_names) > 0 THEN
        -- In one order, whoever reacts: so that nobody waits for one who waits for them.
        v_ids := ARRAY(SELECT w.id FROM process_work w WHERE w.process = p_process AND w.key = p_key AND w.lane = 'w');
        PERFORM FROM process_work w WHERE w.id = ANY (v_ids || p_id) ORDER BY w.id FOR UPDATE;
    END IF;
    IF p_group_id IS NOT NULL THEN
        PERFORM settle_group_v1(p_group_id, ARRAY[p_position], ARRAY[p_lease], ARRAY['d'], ARRAY[1], ARRAY[0::float8], ARRAY[NULL::text]);
    ELSE
        DELETE FROM process_work w WHERE w.id = p_id AND w.lease = p_lease;
    END IF;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF cardinality(p_cancelled_names) > 0 THEN
        DELETE FROM process_work w
        WHERE w.process = p_process AND w.key = p_key AND w.name = ANY (p_cancelled_names) AND w.lane = 'w';
    END IF;
    IF cardinality(p_wake_up_names) > 0 THEN
        INSERT INTO process_work AS w (id, process, lane, due_at, cause, key, name)
        SELECT n.id, p_process, 'w', coalesce(n.at, v_now + n.in_ms * interval '1 millisecond'), p_position, p_key, n.name
        FROM unnest(p_wake_up_ids, p_wake_up_names, p_wake_up_at, p_wake_up_in_ms) AS n(id, name, at, in_ms)
        ORDER BY n.name
        ON CONFLICT (process, key, name) WHERE lane = 'w' DO UPDATE
        SET id = excluded.id, due_at = excluded.due_at, cause = excluded.cause, attempts = 0, lease = NULL, leased_until = NULL,
            failure = NULL, is_parked = false, parked_at = NULL;
    END IF;
    IF cardinality(p_command_ids) > 0 THEN
        INSERT INTO process_work (id, process, lane, due_at, cause, key, name, payload)
        SELECT n.id, p_process, 'c', v_now, p_position, p_key, n.name, n.payload
        FROM unnest(p_command_ids, p_command_names, p_payloads) AS n(id, name, payload)
        -- Where an event is reacted to again, after a failover or as the group was reset, and the command waits still.
        ON CONFLICT (id) DO NOTHING;
    END IF;
    RETURN true;
END
$$;

COMMENT ON FUNCTION react_process_v1 IS 'eventstore: what a process manager does about an event, a wake-up or a failure';
REVOKE ALL ON FUNCTION react_process_v1 FROM PUBLIC;
