-- Unregisters an inline projection. See migrations/0007/5_unregister_inline_v1.sql.
SELECT {schema}.unregister_inline_v1($1)
