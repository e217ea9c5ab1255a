-- Says what came of leased work. See migrations/0008/3_settle_process_work_v1.sql.
SELECT s FROM {schema}.settle_process_work_v1($1, $2, $3, $4, $5, $6, $7, $8, $9) AS s
