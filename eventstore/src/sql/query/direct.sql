-- Reads one page like frame.sql, for filters whose items have one driver each: a group of predicates, or types alone.
--
-- Guarantee: as there, but for hash collisions, which the caller has to sort out. Nothing is counted, and nothing is rechecked
-- but types. So a key that many events have is not searched for some of a type; and events of more bytes than a page has
-- ($7) are not sent. Where either is so, `too_much` is true, and the caller asks the other statement.
-- Indexes: keys_pkey finds the positions and stops at the limit; events_pkey serves head, types and fetch.
WITH probes AS MATERIALIZED (
    SELECT CASE WHEN p.type IS NOT NULL THEN {schema}.type_key_v1(p.type)
                ELSE {schema}.value_key_v1(p.path, p.value) END AS key, p.types
    FROM unnest($8::text[], $9::text[], $10::jsonb[], $11::jsonb[]) AS p(type, path, value, types)
), hot AS MATERIALIZED (
    SELECT EXISTS (
        SELECT FROM probes AS p
        WHERE p.types IS NOT NULL
          AND EXISTS (SELECT FROM {schema}.keys k
                      WHERE k.key = p.key AND k.position > $1::bigint AND k.position <= $2::bigint OFFSET 1000)
    ) AS is_hot
), hits AS MATERIALIZED (
    SELECT DISTINCT ON (hit.position) hit.*
    FROM probes AS p
    CROSS JOIN LATERAL (
        SELECT e.position, e.id, e.recorded_at, e.occurred_at, e.event_type, e.payload, e.metadata
        FROM {schema}.keys k
        JOIN {schema}.events e ON e.position = k.position AND (p.types IS NULL OR p.types ? e.event_type)
        WHERE k.key = p.key AND k.position > $1::bigint AND k.position <= $2::bigint
        ORDER BY k.position {ascending} LIMIT $3
    ) AS hit
    WHERE NOT (SELECT hot.is_hot FROM hot)
    ORDER BY hit.position {ascending} LIMIT $3
), found AS MATERIALIZED (
    SELECT count(*) AS hits,
           coalesce(sum(CASE WHEN pg_column_compression(h.payload) IS NULL THEN pg_column_size(h.payload)
                             ELSE octet_length(h.payload::text) END
                      + CASE WHEN pg_column_compression(h.metadata) IS NULL THEN pg_column_size(h.metadata)
                             ELSE octet_length(h.metadata::text) END), 0) >= $7::bigint AS are_heavy
    FROM hits AS h
)
SELECT coalesce(head.position, 0) AS position, head.id, NULL::timestamptz AS recorded_at, NULL::timestamptz AS occurred_at,
       NULL::text AS event_type,
       jsonb_build_object(
           'high', least($2::bigint, coalesce(head.position, 0)),
           'high_id', CASE WHEN $2::bigint < head.position
                           THEN (SELECT e.id FROM {schema}.events e WHERE e.position = $2::bigint)
                           ELSE head.id END,
           'verified', CASE WHEN cardinality($4::bigint[]) > 0 THEN (
                SELECT jsonb_agg((SELECT e.id FROM {schema}.events e WHERE e.position = v.position) ORDER BY v.nth)
                FROM unnest($4::bigint[]) WITH ORDINALITY AS v(position, nth)) END,
           'missing', (
                SELECT min(p.path)
                FROM unnest($5::text[], $6::boolean[]) AS p(path, top_level)
                WHERE NOT (l.index_top_level AND p.top_level)
                  AND NOT EXISTS (SELECT FROM {schema}.indexed_paths i WHERE i.path = p.path AND i.state = 'ready')),
           'standby', pg_is_in_recovery(),
           'log', l.id,
           'too_much', hot.is_hot OR found.are_heavy,
           'hits', found.hits) AS payload,
       NULL::jsonb AS metadata
FROM hot, found, {schema}.log AS l
LEFT JOIN LATERAL (SELECT e.position, e.id FROM {schema}.events e ORDER BY e.position DESC LIMIT 1) AS head ON true
UNION ALL
SELECT h.position, h.id, h.recorded_at, h.occurred_at, h.event_type, h.payload, h.metadata
FROM hits AS h                             -- in their order, as they were written down
WHERE NOT (SELECT found.are_heavy FROM found)
