-- Has a group begin again, or deletes it. See migrations/0005/14_reset_group_v1.sql.
SELECT {schema}.reset_group_v1($1, $2, $3)
