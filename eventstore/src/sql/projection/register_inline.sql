-- Registers an inline projection. See migrations/0007/4_register_inline_v1.sql.
SELECT {schema}.register_inline_v1($1, $2)
