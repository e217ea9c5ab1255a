-- Appends one batch, in one autocommit call. Guarantees and indexes: see migrations/0001/10_append_v1.sql and 0010/9_append_v1.sql.
SELECT request, verdict, place, condition, item, blocker
FROM {schema}.append_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
                        $20, $21, $22, $23, $24, $25, $26, $27)
