-- Declares the path $1, extracted by $2, top-level if $3. See migrations/0002/1_index_path_v1.sql.
SELECT state, done_to, target FROM {schema}.index_path_v1($1, $2, $3)
