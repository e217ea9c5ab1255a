-- append_v1 as migration 1 made it (its header says what it guarantees, how, and by which indexes), and the shape of its arguments is checked.
--
-- Guarantee: positions and keys are those that follow the head, whoever calls it with whatever. PostgreSQL counts an array from any number,
-- and this function counts events by their places in the arrays: an array from 1000 left a gap, one from -500 wrote behind the head, and arrays that
-- begin apart put the keys of one event under another position. So every array must be one-dimensional and begin at 1, those that belong together
-- must be equally long, and requests are counted from 1 to at most the number of events, as verdicts are kept in arrays of that length.
-- The store sends nothing else; a writer with a connection of its own could. What is checked is the shape, once a call and before the lock is
-- taken, and no value: who lies about the order of its requests or its conditions harms none but its own events.
--
-- PostgreSQL can not change a piece of a function, and an applied migration never changes: so all of it stands here again. Between the first
-- statement and the lock is what is new, and in the loop over ids what refuses a request that is out of order. CREATE OR REPLACE keeps the owner,
-- the grants and the comment.
CREATE OR REPLACE FUNCTION append_v1(
    p_request            integer[],       -- request of each event, ascending from 1
    p_id                 uuid[],
    p_type               text[],
    p_occurred_at        timestamptz[],
    p_payload            jsonb[],
    p_metadata           jsonb[],
    p_path_request       integer[],       -- paths that the conditions mention
    p_path               text[],
    p_path_top_level     boolean[],
    p_after_request      integer[],       -- the events that a condition rests on, each at its position
    p_after_condition    integer[],
    p_after              bigint[],
    p_after_id           uuid[],
    p_probe_request      integer[],       -- probes: under one key, anything since `after`?
    p_probe_condition    integer[],
    p_probe_item         integer[],
    p_probe_after        bigint[],
    p_probe_type         text[],          -- the key: of a type …
    p_probe_path         text[],          -- … or of a value; neither means any event
    p_probe_value        jsonb[],
    p_probe_types        jsonb[],         -- recheck: the types that count, null for all
    p_probe_predicate    text[],          -- recheck: a jsonpath predicate on the payload, null for none
    p_probe_limit        bigint[],        -- how many keys it may pass over
    p_pair_blocker       integer[],       -- inside this batch: if the blocker is accepted …
    p_pair_blocked       integer[],       -- … this one is refused; ascending, blocker < blocked
    p_pair_condition     integer[],
    p_pair_item          integer[]
) RETURNS TABLE (request integer, verdict "char", place bigint, condition integer, item integer, blocker integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_hashagg = off
SET jit = off
SET lock_timeout = '2s'
AS $$
#variable_conflict use_column
DECLARE
    requests   CONSTANT integer := p_request[cardinality(p_request)];
    head       bigint;
    head_at    timestamptz;
    all_paths  boolean;                   -- every top-level field has keys
    max_keys   bigint;
    declared   text[];
    candidates boolean[];                 -- whether a probe has something under its key
    verdicts   "char"[];
    places     bigint[];
    conditions integer[];
    items      integer[];
    blockers   integer[];
    refusals   integer := 0;              -- requests that are not accepted
    duplicates integer := 0;
    found      record;
BEGIN
    PERFORM require_read_committed_v1();

    -- Empty arrays have no dimension. One comparison a column and property, as this costs least; without conditions a third of them.
    IF (cardinality(p_request) = cardinality(p_id) AND cardinality(p_type) = cardinality(p_id)
        AND cardinality(p_occurred_at) = cardinality(p_id) AND cardinality(p_payload) = cardinality(p_id)
        AND cardinality(p_metadata) = cardinality(p_id) AND array_ndims(p_id) = 1 AND array_ndims(p_request) = 1
        AND array_ndims(p_type) = 1 AND array_ndims(p_occurred_at) = 1 AND array_ndims(p_payload) = 1 AND array_ndims(p_metadata) = 1
        AND array_lower(p_id, 1) = 1 AND array_lower(p_request, 1) = 1 AND array_lower(p_type, 1) = 1
        AND array_lower(p_occurred_at, 1) = 1 AND array_lower(p_payload, 1) = 1 AND array_lower(p_metadata, 1) = 1 AND p_request[1] = 1
        AND requests BETWEEN 1 AND cardinality(p_id)
        AND cardinality(p_path_request) = cardinality(p_path) AND cardinality(p_path_top_level) = cardinality(p_path)
        AND (cardinality(p_path) = 0
             OR array_ndims(p_path) = 1 AND array_ndims(p_path_request) = 1 AND array_ndims(p_path_top_level) = 1
                AND array_lower(p_path, 1) = 1 AND array_lower(p_path_request, 1) = 1 AND array_lower(p_path_top_level, 1) = 1)
        AND cardinality(p_after_request) = cardinality(p_after) AND cardinality(p_after_condition) = cardinality(p_after)
        AND cardinality(p_after_id) = cardinality(p_after)
        AND (cardinality(p_after) = 0
             OR array_ndims(p_after) = 1 AND array_ndims(p_after_request) = 1 AND array_ndims(p_after_condition) = 1
                AND array_ndims(p_after_id) = 1 AND array_lower(p_after, 1) = 1 AND array_lower(p_after_request, 1) = 1
                AND array_lower(p_after_condition, 1) = 1 AND array_lower(p_after_id, 1) = 1)
        AND cardinality(p_probe_condition) = cardinality(p_probe_request) AND cardinality(p_probe_item) = cardinality(p_probe_request)
        AND cardinality(p_probe_after) = cardinality(p_probe_request) AND cardinality(p_probe_type) = cardinality(p_probe_request)
        AND cardinality(p_probe_path) = cardinality(p_probe_request) AND cardinality(p_probe_value) = cardinality(p_probe_request)
        AND cardinality(p_probe_types) = cardinality(p_probe_request) AND cardinality(p_probe_predicate) = cardinality(p_probe_request)
        AND cardinality(p_probe_limit) = cardinality(p_probe_request)
        AND (cardinality(p_probe_request) = 0
             OR array_ndims(p_probe_request) = 1 AND array_ndims(p_probe_condition) = 1 AND array_ndims(p_probe_item) = 1
                AND array_ndims(p_probe_after) = 1 AND array_ndims(p_probe_type) = 1 AND array_ndims(p_probe_path) = 1
                AND array_ndims(p_probe_value) = 1 AND array_ndims(p_probe_types) = 1 AND array_ndims(p_probe_predicate) = 1
                AND array_ndims(p_probe_limit) = 1 AND array_lower(p_probe_request, 1) = 1 AND array_lower(p_probe_condition, 1) = 1
                AND array_lower(p_probe_item, 1) = 1 AND array_lower(p_probe_after, 1) = 1 AND array_lower(p_probe_type, 1) = 1
                AND array_lower(p_probe_path, 1) = 1 AND array_lower(p_probe_value, 1) = 1 AND array_lower(p_probe_types, 1) = 1
                AND array_lower(p_probe_predicate, 1) = 1 AND array_lower(p_probe_limit, 1) = 1)
        AND cardinality(p_pair_blocker) = cardinality(p_pair_blocked) AND cardinality(p_pair_condition) = cardinality(p_pair_blocked)
        AND cardinality(p_pair_item) = cardinality(p_pair_blocked)
        AND (cardinality(p_pair_blocked) = 0
             OR array_ndims(p_pair_blocked) = 1 AND array_ndims(p_pair_blocker) = 1 AND array_ndims(p_pair_condition) = 1
                AND array_ndims(p_pair_item) = 1 AND array_lower(p_pair_blocked, 1) = 1 AND array_lower(p_pair_blocker, 1) = 1
                AND array_lower(p_pair_condition, 1) = 1 AND array_lower(p_pair_item, 1) = 1)) IS NOT TRUE
    THEN
        RAISE EXCEPTION 'the arguments of an append do not fit together; expected arrays of one dimension that begin at 1, equally long where they '
                        'belong together, and requests from 1 to at most the number of events, %', coalesce(cardinality(p_id)::text, 'null')
            USING ERRCODE = 'array_subscript_error';
    END IF;

    PERFORM pg_advisory_xact_lock(1163284301, 'events'::regclass::oid::integer);

    SELECT e.position, e.recorded_at INTO head, head_at FROM events e ORDER BY e.position DESC LIMIT 1;
    head := coalesce(head, 0);
    head_at := greatest(clock_timestamp(), head_at);
    SELECT l.index_top_level, l.max_event_keys INTO STRICT all_paths, max_keys FROM log l;
    verdicts := array_fill('a'::"char", ARRAY[requests]);

    -- Ids first, whatever else is wrong: a request that was appended before gets its first verdict again, whatever has
    -- happened since.
    -- Each id is looked up by itself: a join could be planned as a scan of a log that was small when it was planned.
    IF EXISTS (SELECT FROM (SELECT unnest(p_id) AS id) AS i
               WHERE (SELECT e.position FROM events e WHERE e.id = i.id) IS NOT NULL)
       -- A value takes four bytes at least: where there is no room for too many, they need not be counted.
       OR 4 * max_keys < (SELECT max(pg_column_size(p.payload)) FROM (SELECT unnest(p_payload) AS payload) AS p) THEN
        FOR found IN
            SELECT e.request,
                   min(old.position) AS first,
                   bool_and(coalesce(old.same, false))
                       AND min(old.position - e.nth) = max(old.position - e.nth) AS same,
                   count(old.position) = 0 AND bool_or(
                       pg_column_size(e.payload) > 4 * max_keys AND max_keys < (
                           SELECT count(*) FROM (SELECT FROM event_keys_v1(ARRAY[e.type], ARRAY[e.payload], all_paths)
                                                 LIMIT max_keys + 2) AS counted) - 1) AS crowded
            FROM unnest(p_request, p_id, p_type, p_payload, p_metadata)
                 WITH ORDINALITY AS e(request, id, type, payload, metadata, nth)
            LEFT JOIN LATERAL (
                SELECT o.position,
                       o.event_type = e.type AND o.payload = e.payload AND o.metadata = e.metadata AS same
                FROM events o WHERE o.id = e.id
            ) AS old ON true
            GROUP BY e.request
            HAVING count(old.position) > 0 OR max(pg_column_size(e.payload)) > 4 * max_keys
        LOOP
            CONTINUE WHEN found.first IS NULL AND NOT found.crowded;
            IF verdicts[found.request] IS DISTINCT FROM 'a' THEN
                RAISE EXCEPTION 'request % of an append is not one of its %; expected numbers that ascend from 1', found.request, requests
                    USING ERRCODE = 'array_subscript_error';
            END IF;
            refusals := refusals + 1;
            places[found.request] := found.first;
            IF found.crowded THEN
                verdicts[found.request] := 'k';
                places[found.request] := max_keys;
            ELSIF found.same THEN
                duplicates := duplicates + 1;
                verdicts[found.request] := 'd';
            ELSE
                verdicts[found.request] := 'x';
            END IF;
        END LOOP;
    END IF;

    IF cardinality(p_path) > 0 THEN
        declared := ARRAY(SELECT i.path FROM indexed_paths i WHERE i.state = 'ready');
    END IF;
    IF NOT (all_paths AND true = ALL (p_path_top_level)) AND NOT p_path <@ declared THEN
        FOR found IN
            SELECT p.request, min(p.nth)::integer AS nth
            FROM unnest(p_path_request, p_path, p_path_top_level) WITH ORDINALITY AS p(request, path, top_level, nth)
            WHERE NOT (all_paths AND p.top_level) AND p.path <> ALL (declared)
            GROUP BY p.request
        LOOP
            IF verdicts[found.request] = 'a' THEN
                refusals := refusals + 1;
                verdicts[found.request] := 'u';
                conditions[found.request] := found.nth;
            END IF;
        END LOOP;
    END IF;

    IF cardinality(p_after) > 0 THEN
        FOR found IN
            SELECT a.request, a.condition, a.after
            FROM unnest(p_after_request, p_after_condition, p_after, p_after_id) AS a(request, condition, after, id)
            WHERE (SELECT e.id FROM events e WHERE e.position = a.after) IS DISTINCT FROM a.id
            ORDER BY a.after
        LOOP
            IF verdicts[found.request] = 'a' THEN
                refusals := refusals + 1;
                verdicts[found.request] := 'h';
                places[found.request] := found.after;
                conditions[found.request] := found.condition;
            END IF;
        END LOOP;
    END IF;

    IF cardinality(p_probe_request) > 0 THEN
        SELECT array_agg(
                   CASE WHEN p.type IS NULL AND p.path IS NULL THEN p.after < head
                        ELSE EXISTS (SELECT FROM keys k
                                     WHERE k.key = CASE WHEN p.type IS NOT NULL THEN type_key_v1(p.type)
                                                        ELSE value_key_v1(p.path, p.value) END
                                       AND k.position > p.after)
                   END ORDER BY p.nth)
        INTO candidates
        FROM (SELECT generate_subscripts(p_probe_after, 1) AS nth, unnest(p_probe_after) AS after,
                     unnest(p_probe_type) AS type, unnest(p_probe_path) AS path, unnest(p_probe_value) AS value) AS p;
    END IF;
    IF true = ANY (candidates) THEN
        FOR found IN
            WITH probes AS MATERIALIZED (     -- so that each key and predicate is made once, and not once a row
                SELECT p.request, p.condition, p.item, p.after, p.types, p.predicate::jsonpath AS predicate, p.passes,
                       CASE WHEN p.type IS NOT NULL THEN type_key_v1(p.type)
                            WHEN p.path IS NOT NULL THEN value_key_v1(p.path, p.value) END AS key
                FROM unnest(p_probe_request, p_probe_condition, p_probe_item, p_probe_after, p_probe_type,
                            p_probe_path, p_probe_value, p_probe_types, p_probe_predicate, p_probe_limit, candidates)
                     AS p(request, condition, item, after, type, path, value, types, predicate, passes, is_candidate)
                WHERE p.is_candidate
            )
            SELECT p.request, p.condition, p.item, CASE WHEN hit.nth <= p.passes THEN hit.position END AS position
            FROM probes AS p
            CROSS JOIN LATERAL (
                SELECT c.position, c.nth
                FROM (SELECT k.position, row_number() OVER (ORDER BY k.position) AS nth
                      FROM keys k WHERE k.key = p.key AND k.position > p.after
                      ORDER BY k.position LIMIT p.passes + 1) AS c
                WHERE c.nth > p.passes
                   OR (SELECT (p.types IS NULL OR p.types ? e.event_type)
                          AND (p.predicate IS NULL OR jsonb_path_match(e.payload, p.predicate, '{}', true))
                       FROM events e WHERE e.position = c.position)
                ORDER BY c.position LIMIT 1
            ) AS hit
            UNION ALL
            SELECT p.request, p.condition, p.item, p.after + 1
            FROM unnest(p_probe_request, p_probe_condition, p_probe_item, p_probe_after, p_probe_type, p_probe_path,
                        candidates)
                 AS p(request, condition, item, after, type, path, is_candidate)
            WHERE p.type IS NULL AND p.path IS NULL AND p.is_candidate
            ORDER BY request, position, condition, item      -- a conflict before what is far
        LOOP
            IF verdicts[found.request] = 'a' THEN
                refusals := refusals + 1;
                conditions[found.request] := found.condition;
                IF found.position IS NULL THEN
                    verdicts[found.request] := 'f';
                ELSE
                    verdicts[found.request] := 'c';
                    places[found.request] := found.position;
                    items[found.request] := found.item;
                END IF;
            END IF;
        END LOOP;
    END IF;

    -- In the order of the blocked: when its turn comes, the verdicts on all that could block it are final.
    FOR i IN 1 .. cardinality(p_pair_blocked) LOOP
        IF verdicts[p_pair_blocker[i]] = 'a' AND verdicts[p_pair_blocked[i]] = 'a' THEN
            refusals := refusals + 1;
            verdicts[p_pair_blocked[i]] := 'c';
            conditions[p_pair_blocked[i]] := p_pair_condition[i];
            items[p_pair_blocked[i]] := p_pair_item[i];
            blockers[p_pair_blocked[i]] := p_pair_blocker[i];
        END IF;
    END LOOP;

    IF refusals < requests THEN
        IF refusals > 0 THEN
            SELECT array_agg(e.id ORDER BY e.nth), array_agg(e.type ORDER BY e.nth),
                   array_agg(e.occurred_at ORDER BY e.nth), array_agg(e.payload ORDER BY e.nth),
                   array_agg(e.metadata ORDER BY e.nth)
            INTO p_id, p_type, p_occurred_at, p_payload, p_metadata
            FROM unnest(p_request, p_id, p_type, p_occurred_at, p_payload, p_metadata)
                 WITH ORDINALITY AS e(request, id, type, occurred_at, payload, metadata, nth)
            WHERE verdicts[e.request] = 'a';
        END IF;
        WITH indexed AS (
            INSERT INTO keys (key, position)
            SELECT DISTINCT k.key, head + k.nth AS position      -- sorted by key: neighbours share a page
            FROM event_keys_v1(p_type, p_payload, all_paths) AS k
            ORDER BY key, position
        )
        INSERT INTO events (position, recorded_at, occurred_at, id, event_type, payload, metadata)
        SELECT head + e.nth, head_at, e.occurred_at, e.id, e.type, e.payload, e.metadata
        FROM (SELECT generate_subscripts(p_id, 1) AS nth, unnest(p_id) AS id, unnest(p_type) AS type,
                     unnest(p_occurred_at) AS occurred_at, unnest(p_payload) AS payload,
                     unnest(p_metadata) AS metadata) AS e;
        RETURN QUERY SELECT 0, 'a'::"char", head, NULL::integer, requests - refusals, NULL::integer;
    ELSIF duplicates > 0 THEN
        -- Nothing to write, so nothing to flush: but a receipt given again must be as durable as the first one.
        PERFORM pg_logical_emit_message(true, 'eventstore', '');
    END IF;

    IF refusals > 0 THEN
        RETURN QUERY
        SELECT r, verdicts[r], places[r], conditions[r], items[r], blockers[r]
        FROM generate_series(1, requests) AS r
        WHERE verdicts[r] <> 'a';
    END IF;
END
$$;
