-- Has a projection pause, or go on. See migrations/0006/8_pause_projection_v1.sql.
SELECT {schema}.pause_projection_v1($1, $2)
