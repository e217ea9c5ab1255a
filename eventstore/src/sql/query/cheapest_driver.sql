-- The cheapest driver of each item, by capped counts in keys_pkey. Types are counted only where the predicates
-- find many events, and no further than these: for a rare value the choice costs next to nothing.
counted AS MATERIALIZED (
    SELECT p.item, p.driver, sum(n.entries) AS cost
    FROM probes AS p
    CROSS JOIN bounds AS b
    CROSS JOIN LATERAL (
        SELECT count(*) AS entries
        FROM (SELECT FROM {schema}.keys k
              WHERE k.key = p.key AND k.position > b.low AND k.position <= b.high LIMIT 1000) AS capped
    ) AS n
    WHERE NOT p.by_type
    GROUP BY p.item, p.driver
), least_counted AS MATERIALIZED (
    SELECT c.item, min(c.cost) AS cost FROM counted AS c GROUP BY c.item
), chosen AS MATERIALIZED (
    SELECT p.*
    FROM probes AS p
    WHERE p.driver = (
        SELECT d.driver
        FROM (SELECT c.driver, c.cost FROM counted AS c WHERE c.item = p.item
              UNION ALL
              SELECT t.driver, sum(n.entries)
              FROM probes AS t
              CROSS JOIN bounds AS b
              LEFT JOIN least_counted AS l ON l.item = t.item
              CROSS JOIN LATERAL (
                  SELECT count(*) AS entries
                  FROM (SELECT FROM {schema}.keys k
                        WHERE k.key = t.key AND k.position > b.low AND k.position <= b.high
                        LIMIT coalesce(l.cost, 0)) AS capped
              ) AS n
              WHERE t.by_type AND t.item = p.item AND (l.cost IS NULL OR l.cost >= 64)
              GROUP BY t.driver) AS d
        ORDER BY d.cost, d.driver LIMIT 1)
)
