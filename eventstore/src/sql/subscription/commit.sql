-- Moves a checkpoint forwards, unless it went back, as it does where a failover lost commits: it is before $5, where it was once; or before
-- $6, where a transaction of the caller's put it, on a server that began at $7 and is not this one. (On the same one the caller rolled
-- that back.) See migrations/0004/5_commit_checkpoint_v1.sql, which has the other verdicts. Index: subscriptions_pkey.
SELECT CASE
           WHEN NOT (c.position < $5 OR (c.position < $6 AND c.began <> $7)) IS TRUE THEN {schema}.commit_checkpoint_v1($1, $2, $3, $4)
           WHEN pg_catalog.current_setting('transaction_isolation') = 'read committed' THEN 'behind'
           ELSE 'unseen'
       END,
       c.position, c.began
FROM (SELECT (SELECT s.position FROM {schema}.subscriptions AS s WHERE s.name = $1 AND s.holder = $2) AS position,
             pg_catalog.pg_postmaster_start_time() AS began OFFSET 0) AS c
