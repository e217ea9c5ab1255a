-- Takes part no more. See migrations/0005/13_leave_group_v1.sql.
SELECT {schema}.leave_group_v1($1, $2)
