-- The highest position that was recorded before an instant, 0 if there is none. recorded_at never
-- decreases with the position, so that a binary search over the primary key finds it without an index.
CREATE FUNCTION position_before_v1(instant timestamptz, head bigint) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH RECURSIVE search(low, high) AS (       -- invariant: low was recorded before, high + 1 was not
        SELECT 0::bigint, head
        UNION ALL
        SELECT CASE WHEN probe.before THEN probe.middle ELSE search.low END,
               CASE WHEN probe.before THEN search.high ELSE probe.middle - 1 END
        FROM search
        CROSS JOIN LATERAL (
            SELECT (search.low + search.high + 1) / 2 AS middle,
                   coalesce((SELECT e.recorded_at < position_before_v1.instant FROM events e
                             WHERE e.position <= (search.low + search.high + 1) / 2
                             ORDER BY e.position DESC LIMIT 1), true) AS before
        ) AS probe
        WHERE search.low < search.high
    )
    SELECT search.low FROM search WHERE search.low >= search.high LIMIT 1;
END;
