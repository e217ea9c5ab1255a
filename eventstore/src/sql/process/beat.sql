-- Has leases last longer. See migrations/0008/4_beat_process_work_v1.sql.
SELECT b.id, b.is_extended FROM {schema}.beat_process_work_v1($1, $2, $3 * interval '1 millisecond') AS b
