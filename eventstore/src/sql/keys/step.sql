-- Makes or deletes the keys of the next $2 events at the path $1. See migrations/0002/3_index_step_v1.sql.
SELECT state, done_to, target FROM {schema}.index_step_v1($1, $2)
