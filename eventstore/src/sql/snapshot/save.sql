-- Saves a snapshot unless a newer one is there. See migrations/0002/5_save_snapshot_v1.sql.
SELECT {schema}.save_snapshot_v1($1, $2, $3, $4, $5)
