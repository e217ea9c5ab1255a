-- Notes which keys have changed. See migrations/0009/2_queue_recomputes_v1.sql.
SELECT {schema}.queue_recomputes_v1($1, $2, $3, $4)
