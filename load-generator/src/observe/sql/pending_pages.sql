-- Pages in the pending lists of the GIN indexes of the schema $1, by the expression that pending_reader.sql gave.
SELECT sum({pending_pages})::bigint AS pages
  FROM pg_class c
  JOIN pg_am am ON am.oid = c.relam AND am.amname = 'gin'
 WHERE c.relnamespace = to_regnamespace(quote_ident($1)) AND c.relkind = 'i'
