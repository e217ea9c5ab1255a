-- What follows from an event, a wake-up or a failure. See migrations/0008/5_react_process_v1.sql.
SELECT {schema}.react_process_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
