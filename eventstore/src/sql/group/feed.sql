-- Puts events into a group's work. See migrations/0005/6_feed_group_v1.sql.
SELECT {schema}.feed_group_v1($1, $2, $3, $4, $5, $6)
