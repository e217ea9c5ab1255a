-- Has leases last longer. See migrations/0009/6_beat_recomputes_v1.sql.
SELECT b.key, b.is_extended FROM {schema}.beat_recomputes_v1($1, $2, $3, $4 * interval '1 millisecond') AS b
