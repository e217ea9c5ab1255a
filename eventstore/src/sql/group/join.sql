-- Takes part in a group. See migrations/0005/4_join_group_v1.sql.
SELECT j.verdict, j.group_id, j.fed, j.fed_id, j.order_by
FROM {schema}.join_group_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10 * interval '1 millisecond',
                            $11 * interval '1 millisecond') AS j
