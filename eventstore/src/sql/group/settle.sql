-- Says what came of leased events. See migrations/0005/11_settle_group_v1.sql.
SELECT s FROM {schema}.settle_group_v1($1, $2, $3, $4, $5, $6, $7) AS s
