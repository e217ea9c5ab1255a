-- Deletes a projection. See migrations/0006/10_delete_projection_v1.sql.
SELECT d.verdict, d.generations FROM {schema}.delete_projection_v1($1) AS d
