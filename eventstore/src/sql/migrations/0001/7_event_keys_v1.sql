-- The keys of an event: of its type, and of its values at the paths that are indexed. May repeat itself, and be null for
-- values without a key. One SELECT and no settings, so that PostgreSQL puts it into the calling statement.
CREATE FUNCTION event_keys_v1(event_type text, payload jsonb, all_paths boolean) RETURNS TABLE (key bigint)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 8
BEGIN ATOMIC
    SELECT type_key_v1(event_type)
    UNION ALL
    SELECT value_key_v1(field.path, element.value)
    FROM jsonb_path_query(payload, '$[*]') AS root(value)
    CROSS JOIN LATERAL (
        SELECT CASE WHEN f.key ~ '[.\\]' THEN regexp_replace(f.key, '([.\\])', '\\\1', 'g') ELSE f.key END AS path,
               f.value
        FROM jsonb_each(CASE jsonb_typeof(root.value) WHEN 'object' THEN root.value END) AS f
    ) AS field
    CROSS JOIN LATERAL jsonb_path_query(field.value, '$[*]') AS element(value)
    WHERE all_paths
    UNION ALL
    SELECT value_key_v1(i.path, element.value)
    FROM indexed_paths i
    CROSS JOIN LATERAL jsonb_path_query(payload, i.extract) AS element(value)
    WHERE i.state <> 'dropping';
END;
