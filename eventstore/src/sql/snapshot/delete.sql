-- Deletes a snapshot. See migrations/0002/6_delete_snapshot_v1.sql.
SELECT {schema}.delete_snapshot_v1($1, $2)
