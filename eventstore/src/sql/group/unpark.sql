-- Hands parked events over again, or drops them. See migrations/0005/15_unpark_v1.sql.
SELECT u.group_id, u.unparked FROM {schema}.unpark_v1($1, $2, $3) AS u
