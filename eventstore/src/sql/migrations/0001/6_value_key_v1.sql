-- The key of a value at a canonical path; null for a value that filters cannot ask for (null, objects,
-- arrays, fractions, integers beyond 64 bits). Numbers are normalised: 1 and 1.0 have one key, "1" another.
CREATE FUNCTION value_key_v1(path text, value jsonb) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE jsonb_typeof(value)
    WHEN 'string' THEN
        hashtextextended(('s' || (value #>> '{}')) COLLATE "C", hashtextextended(path COLLATE "C", 1))
    WHEN 'number' THEN
        CASE WHEN value::numeric BETWEEN -9223372036854775808 AND 18446744073709551615
              AND value::numeric = trunc(value::numeric)
        THEN hashtextextended(('n' || trunc(value::numeric)::text) COLLATE "C", hashtextextended(path COLLATE "C", 1))
        END
    WHEN 'boolean' THEN
        hashtextextended(('b' || (value #>> '{}')) COLLATE "C", hashtextextended(path COLLATE "C", 1))
END;
