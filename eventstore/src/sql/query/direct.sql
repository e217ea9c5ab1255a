-- Reads one page like frame.sql, for filters whose items have one driver each: a group of predicates, or types alone.
--
-- Guarantee: as there, where the header says that it `is_exact`. Else the caller asks the other statement, and no event is
-- sent: a path has no keys, the page has more bytes than it may ($7), or one of the keys was not walked as far as the page
-- reaches. The caller asks it too where the bound ($2) has no id: what stood there was archived. Events may be among them that do not match: brought by a collision, or of a type that only another item asks
-- for ($10 are those of all items, null if one takes any). The caller sorts them out.
--
-- Each key is walked no further than $11: so many events would fill the page if half of them have the type. One that goes on
-- may be hot, and its events of any other type: but for a page of a few, these are not fetched to see.
-- A key is made as type_key_v1 and value_key_v1 make it, of which the caller names the branch: making an expression ready
-- that tells them apart takes longer than finding an event. `= ANY` sorts the positions, and takes each once.
-- Indexes: keys_pkey finds the positions; events_pkey serves head and fetch.
WITH probes AS MATERIALIZED (
    SELECT ARRAY(
        SELECT k.position
        FROM {schema}.keys k
        WHERE k.key = pg_catalog.hashtextextended(p.value COLLATE "C", coalesce(pg_catalog.hashtextextended(p.path COLLATE "C", 1), 0))
          AND k.position > $1::bigint AND k.position <= $2::bigint
        ORDER BY k.position {ascending} LIMIT $11::bigint
    ) AS positions
    FROM (SELECT pg_catalog.unnest($8::text[]) AS path, pg_catalog.unnest($9::text[]) AS value) AS p
), hits AS MATERIALIZED (
    SELECT e.position, e.id, e.recorded_at, e.occurred_at, e.event_type, e.payload, e.metadata
    FROM {schema}.events e
    WHERE e.position = ANY (ARRAY(SELECT pg_catalog.unnest(p.positions) FROM probes AS p
                                  WHERE $10::text[] IS NULL OR $3 <= 16 OR pg_catalog.cardinality(p.positions) < $11::bigint))
      AND ($10::text[] IS NULL OR e.event_type = ANY ($10::text[]))
    ORDER BY e.position {ascending} LIMIT $3
), found AS MATERIALIZED (
    SELECT count(*) AS hits, pg_catalog.{last}(h.position) AS last,
           coalesce(pg_catalog.sum(CASE WHEN pg_catalog.pg_column_compression(h.payload) IS NULL THEN pg_catalog.pg_column_size(h.payload)
                             ELSE pg_catalog.octet_length(h.payload::text) END
                      + CASE WHEN pg_catalog.pg_column_compression(h.metadata) IS NULL THEN pg_catalog.pg_column_size(h.metadata)
                             ELSE pg_catalog.octet_length(h.metadata::text) END), 0) < $7::bigint AS fit
    FROM hits AS h
), verdict AS MATERIALIZED (
    SELECT f.hits, f.fit
           AND NOT EXISTS (SELECT FROM probes AS p
                           WHERE pg_catalog.cardinality(p.positions) = $11::bigint
                             AND ($10::text[] IS NOT NULL AND $3 > 16
                                  OR f.hits < $3 OR p.positions[$11::integer] {before} f.last))
           AND (pg_catalog.cardinality(l.declared) = 0
                OR pg_catalog.cardinality(l.declared) = (SELECT count(*) FROM {schema}.indexed_paths i
                                              WHERE i.path = ANY (l.declared) AND i.state = 'ready')) AS is_exact,
           l.id AS log
    FROM found AS f, (             -- which paths of the filter ($5; those deeper than the top: $6) must have been declared
        SELECT g.id, CASE WHEN g.index_top_level THEN $6::text[] ELSE $5::text[] END AS declared FROM {schema}.log AS g
    ) AS l
)
SELECT coalesce(head.position, 0) AS position, head.id, NULL::timestamptz AS recorded_at, NULL::timestamptz AS occurred_at,
       NULL::text AS event_type,
       pg_catalog.jsonb_build_array(                 -- in the order of the header's fields
           least($2::bigint, coalesce(head.position, 0)),
           CASE WHEN $2::bigint < head.position
                THEN (SELECT e.id FROM {schema}.events e WHERE e.position = $2::bigint)
                ELSE head.id END,
           pg_catalog.pg_is_in_recovery(),
           v.log,
           v.hits,
           CASE WHEN pg_catalog.cardinality($4::bigint[]) > 0 THEN (
                SELECT pg_catalog.jsonb_agg((SELECT e.id FROM {schema}.events e WHERE e.position = w.position) ORDER BY w.nth)
                FROM pg_catalog.unnest($4::bigint[]) WITH ORDINALITY AS w(position, nth)) END,
           NULL,
           v.is_exact) AS payload,
       NULL::jsonb AS metadata
FROM verdict AS v
LEFT JOIN LATERAL (SELECT e.position, e.id FROM {schema}.events e ORDER BY e.position DESC LIMIT 1) AS head ON true
UNION ALL
SELECT h.position, h.id, h.recorded_at, h.occurred_at, h.event_type, h.payload, h.metadata
FROM hits AS h                             -- in their order, as they were written down
WHERE (SELECT v.is_exact FROM verdict AS v)
