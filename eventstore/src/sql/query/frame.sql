-- Reads one page of the events that match a filter, and the head of the log in the same snapshot.
--
-- Guarantee: the page holds every match in (low, high] up to the limit ($3 events, $11 bytes), in position order; `hits`
-- tells whether there are more. The header row (the
-- one without an event type) tells how far the log reached in this very snapshot; by the position contract
-- the page is complete up to there, on a standby too. `high` is the last event at or below the bounds: where these end, it may
-- have been archived.
-- Indexes: events_pkey serves head, recheck and fetch; what finds the positions is one of the files beside
-- this one, put in for {hits}. {ascending} is ASC to read forwards and DESC to read backwards.
WITH head AS MATERIALIZED (
    SELECT coalesce(h.position, 0) AS position, h.id
    FROM (VALUES (true)) AS always
    LEFT JOIN (SELECT e.position, e.id FROM {schema}.events e ORDER BY e.position DESC LIMIT 1) AS h ON true
), bounds AS MATERIALIZED (
    SELECT greatest($1::bigint,
                    CASE WHEN $4::timestamptz IS NOT NULL
                         THEN {schema}.position_before_v1($4, head.position) END) AS low,
           least($2::bigint, head.position,
                 CASE WHEN $5::timestamptz IS NOT NULL
                      THEN {schema}.position_before_v1($5 + interval '1 microsecond', head.position) END) AS high,
           $6::timestamptz AS occurred_since, $7::timestamptz AS occurred_until
    FROM head
), missing AS MATERIALIZED (              -- paths of the filter that have no keys
    SELECT p.path
    FROM ROWS FROM (pg_catalog.unnest($9::text[]), pg_catalog.unnest($10::boolean[])) AS p(path, top_level)
    CROSS JOIN {schema}.log AS l
    WHERE NOT (l.index_top_level AND p.top_level)
      AND NOT EXISTS (SELECT FROM {schema}.indexed_paths i WHERE i.path = p.path AND i.state = 'ready')
), {hits}
SELECT head.position, head.id, NULL::timestamptz AS recorded_at, NULL::timestamptz AS occurred_at,
       NULL::text AS event_type,
       pg_catalog.jsonb_build_object(
           'high', coalesce(last.position, 0), 'high_id', last.id,
           'verified', (SELECT pg_catalog.jsonb_agg((SELECT e.id FROM {schema}.events e WHERE e.position = v.position) ORDER BY v.nth)
                        FROM pg_catalog.unnest($8::bigint[]) WITH ORDINALITY AS v(position, nth)),
           'missing', (SELECT pg_catalog.min(m.path) FROM missing m),
           'standby', pg_catalog.pg_is_in_recovery(),
           'log', (SELECT l.id FROM {schema}.log l),
           'hits', (SELECT count(*) FROM hits)) AS payload,
       NULL::jsonb AS metadata
FROM head
CROSS JOIN bounds AS b
LEFT JOIN LATERAL (SELECT e.position, e.id FROM {schema}.events e WHERE e.position <= b.high ORDER BY e.position DESC LIMIT 1) AS last ON true
UNION ALL
(SELECT e.position, e.id, e.recorded_at, e.occurred_at, e.event_type, e.payload, e.metadata
 FROM (SELECT e.*,                        -- bytes of the events before this one: a page has one event at least
              pg_catalog.sum(CASE WHEN pg_catalog.pg_column_compression(e.payload) IS NULL THEN pg_catalog.pg_column_size(e.payload)
                       ELSE pg_catalog.octet_length(e.payload::text) END
                  + CASE WHEN pg_catalog.pg_column_compression(e.metadata) IS NULL THEN pg_catalog.pg_column_size(e.metadata)
                         ELSE pg_catalog.octet_length(e.metadata::text) END)
                  OVER (ORDER BY e.position {ascending} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
       FROM hits AS h
       CROSS JOIN LATERAL (SELECT * FROM {schema}.events e WHERE e.position = h.position OFFSET 0) AS e) AS e
 WHERE coalesce(e.before, 0) < $11::bigint
 ORDER BY e.position {ascending})
