-- Has a key recomputed that has no new event. See migrations/0009/7_requeue_recomputes_v1.sql.
SELECT {schema}.requeue_recompute_v1($1, $2)
