-- Under which keys events can be found: each of its type, and of its values at the paths that are indexed. `nth` counts the
-- events from 1. A key may come twice. One SELECT and no settings, so that PostgreSQL puts it into the calling statement.
--
-- A batch at a time, and set-returning functions in select lists, for the sake of speed: in FROM each call would fill and
-- read a tuplestore, once an event. OFFSET 0 keeps a key from being made twice, for the test and for the result.
CREATE FUNCTION event_keys_v1(event_types text[], payloads jsonb[], all_paths boolean)
RETURNS TABLE (nth integer, key bigint)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 100
BEGIN ATOMIC
    SELECT made.nth, made.key
    FROM (
        SELECT e.nth, type_key_v1(e.event_type) AS key
        FROM (SELECT generate_subscripts(event_types, 1) AS nth, unnest(event_types) AS event_type) AS e
        UNION ALL
        SELECT element.nth, value_key_v1(element.path, element.value)
        FROM (
            SELECT field.nth, jsonb_path_query(field.value, '$[*]') AS value,
                   CASE WHEN field.key ~ '[.\\]' THEN regexp_replace(field.key, '([.\\])', '\\\1', 'g') ELSE field.key END AS path
            FROM (
                SELECT root.nth, (jsonb_each(CASE jsonb_typeof(root.value) WHEN 'object' THEN root.value END)).*
                FROM (
                    SELECT e.nth, jsonb_path_query(e.payload, '$[*]') AS value
                    FROM (SELECT generate_subscripts(payloads, 1) AS nth, unnest(payloads) AS payload) AS e
                ) AS root
            ) AS field
        ) AS element
        WHERE all_paths
        UNION ALL
        SELECT element.nth, value_key_v1(element.path, element.value)
        FROM (
            SELECT e.nth, i.path, jsonb_path_query(e.payload, i.extract) AS value
            FROM (SELECT generate_subscripts(payloads, 1) AS nth, unnest(payloads) AS payload) AS e
            CROSS JOIN indexed_paths i
            WHERE i.state <> 'dropping'
        ) AS element
        OFFSET 0
    ) AS made
    WHERE made.key IS NOT NULL;      -- of a value that filters can not ask for
END;
