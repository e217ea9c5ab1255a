-- Takes part in a projection. See migrations/0006/3_join_projection_v1.sql.
SELECT j.generation, j.is_live, j.live_version FROM {schema}.join_projection_v1($1, $2, $3) AS j
