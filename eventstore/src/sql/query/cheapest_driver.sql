-- The cheapest driver of each item, by capped counts in keys_pkey. Types are counted only where the predicates
-- find many events, and no further than these: for a rare value the choice costs next to nothing.
costs_of_predicates AS MATERIALIZED (
    SELECT p.item, p.driver, pg_catalog.sum(n.entries) AS cost
    FROM probes AS p
    CROSS JOIN bounds AS b
    CROSS JOIN LATERAL (
        SELECT count(*) AS entries
        FROM (SELECT FROM {schema}.keys k
              WHERE k.key = p.key AND k.position > b.low AND k.position <= b.high LIMIT 1000) AS capped
    ) AS n
    WHERE NOT p.by_type
    GROUP BY p.item, p.driver
), costs_of_types AS MATERIALIZED (
    SELECT p.item, p.driver, pg_catalog.sum(n.entries) AS cost
    FROM probes AS p
    CROSS JOIN bounds AS b
    CROSS JOIN LATERAL (
        SELECT (SELECT pg_catalog.min(c.cost) FROM costs_of_predicates AS c WHERE c.item = p.item) AS cap OFFSET 0
    ) AS least
    CROSS JOIN LATERAL (
        SELECT count(*) AS entries
        FROM (SELECT FROM {schema}.keys k
              WHERE k.key = p.key AND k.position > b.low AND k.position <= b.high LIMIT least.cap) AS capped
    ) AS n
    WHERE p.by_type AND least.cap >= 64::numeric
    GROUP BY p.item, p.driver
), cheapest AS MATERIALIZED (
    SELECT DISTINCT ON (c.item) c.item, c.driver
    FROM (SELECT * FROM costs_of_predicates UNION ALL SELECT * FROM costs_of_types) AS c
    ORDER BY c.item, c.cost, c.driver
), chosen AS MATERIALIZED (                -- an item without predicates has no driver but its types
    SELECT p.*
    FROM probes AS p
    WHERE p.driver = coalesce((SELECT c.driver FROM cheapest AS c WHERE c.item = p.item), 0)
)
