-- Whether the tables of a generation are to be made. See migrations/0006/4_make_projection_v1.sql.
SELECT {schema}.make_projection_v1($1, $2)
