-- Begins to drop the path $1. See migrations/0002/2_drop_path_v1.sql.
SELECT state, done_to, target FROM {schema}.drop_path_v1($1)
