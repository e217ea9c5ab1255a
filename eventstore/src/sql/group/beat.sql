-- The heartbeat of a member. See migrations/0005/12_beat_group_v1.sql.
SELECT b.held, b.done, b.parked, b.others
FROM {schema}.beat_group_v1($1, $2, $3, $4, $5, $6 * interval '1 millisecond', $7, $8 * interval '1 millisecond') AS b
