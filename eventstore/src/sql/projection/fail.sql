-- A generation has stopped. See migrations/0006/6_fail_projection_v1.sql.
SELECT {schema}.fail_projection_v1($1, $2, $3, $4)
