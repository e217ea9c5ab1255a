-- Sessions of clients by state, each state always there. No row where our role does not see the states of others.
SELECT s.state, count(a.pid)::float8 AS connections
  FROM (VALUES ('active'), ('idle'), ('idle in transaction'), ('idle in transaction (aborted)'), ('other')) AS s (state)
  LEFT JOIN pg_stat_activity a
    ON a.backend_type = 'client backend'
   AND s.state = CASE WHEN a.state IN ('active', 'idle', 'idle in transaction', 'idle in transaction (aborted)') THEN a.state
                      ELSE 'other' END
 WHERE pg_has_role('pg_read_all_stats', 'USAGE')
 GROUP BY s.state
