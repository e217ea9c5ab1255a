-- Walks the events in position order: for `Filter::all()`, and for filters without keys where the caller allows
-- it. $12 says that every event matches, so that nothing is rechecked but the time bounds.
items AS MATERIALIZED (
    SELECT i.types, i.predicate::jsonpath AS predicate
    FROM ROWS FROM (pg_catalog.unnest($13::jsonb[]), pg_catalog.unnest($14::text[])) AS i(types, predicate)
), hits AS (
    SELECT e.position
    FROM bounds AS b
    CROSS JOIN LATERAL (
        SELECT e.position FROM {schema}.events e
        WHERE e.position > b.low AND e.position <= b.high
          AND ($12::boolean OR EXISTS (
                SELECT FROM items AS i
                WHERE (i.types IS NULL OR i.types ? e.event_type)
                  AND (i.predicate IS NULL OR pg_catalog.jsonb_path_match(e.payload, i.predicate, '{}', true))))
          AND (b.occurred_since IS NULL OR e.occurred_at >= b.occurred_since)
          AND (b.occurred_until IS NULL OR e.occurred_at <= b.occurred_until)
        ORDER BY e.position {ascending} LIMIT $3
    ) AS e
)
