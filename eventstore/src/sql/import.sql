-- Appends one chunk of an import, in one autocommit call. Guarantees and indexes: see migrations/0003/2_import_v1.sql.
SELECT request, verdict, place, condition, item, blocker FROM {schema}.import_v1($1, $2, $3, $4, $5, $6, $7, $8)
