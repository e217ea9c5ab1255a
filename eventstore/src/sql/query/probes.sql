-- Probes: the keys under which the filter's items can be found. An item has one or several drivers (a group of
-- its predicates, or its types), each of them enough to find all its events; the rest is rechecked.
probes AS MATERIALIZED (
    SELECT p.item, p.driver, p.type IS NOT NULL AS by_type,
           CASE WHEN p.type IS NOT NULL THEN {schema}.type_key_v1(p.type)
                ELSE {schema}.value_key_v1(p.path, p.value) END AS key,
           p.types, p.predicate::jsonpath AS predicate
    FROM ROWS FROM (pg_catalog.unnest($12::integer[]), pg_catalog.unnest($13::integer[]), pg_catalog.unnest($14::text[]),
                    pg_catalog.unnest($15::text[]), pg_catalog.unnest($16::jsonb[]), pg_catalog.unnest($17::jsonb[]),
                    pg_catalog.unnest($18::text[]))
         AS p(item, driver, type, path, value, types, predicate)
    WHERE NOT EXISTS (SELECT FROM missing)
), {chosen}, hits AS (
    SELECT DISTINCT hit.position
    FROM chosen AS c
    CROSS JOIN bounds AS b
    CROSS JOIN LATERAL (                   -- keys_pkey; stops at the page limit by itself
        SELECT k.position FROM {schema}.keys k
        WHERE k.key = c.key AND k.position > b.low AND k.position <= b.high
          AND (SELECT (c.types IS NULL OR c.types ? e.event_type)
                  AND (c.predicate IS NULL OR pg_catalog.jsonb_path_match(e.payload, c.predicate, '{}', true))
                  AND (b.occurred_since IS NULL OR e.occurred_at >= b.occurred_since)
                  AND (b.occurred_until IS NULL OR e.occurred_at <= b.occurred_until)
               FROM {schema}.events e WHERE e.position = k.position)
        ORDER BY k.position {ascending} LIMIT $3
    ) AS hit
    ORDER BY hit.position {ascending} LIMIT $3
)
