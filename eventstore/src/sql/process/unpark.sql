-- Has parked work done again, or drops it. See migrations/0008/6_unpark_process_work_v1.sql.
SELECT {schema}.unpark_process_work_v1($1, $2, $3)
