-- Has a generation be the live one. See migrations/0006/7_swap_projection_v1.sql.
SELECT s.verdict, s.old_generation, s.old_position FROM {schema}.swap_projection_v1($1, $2, $3) AS s
