-- Puts events into a group's work. See migrations/0005/6_feed_group_v1.sql and 0012/1_feed_group_v1.sql.
SELECT f.verdict, f.fed, f.fed_id FROM {schema}.feed_group_v1($1, $2, $3, $4, $5, $6) AS f
