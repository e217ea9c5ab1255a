-- Moves a checkpoint forwards. See migrations/0004/5_commit_checkpoint_v1.sql.
SELECT {schema}.commit_checkpoint_v1($1, $2, $3, $4)
