-- Which paths the log has keys for.
SELECT l.index_top_level, coalesce((SELECT array_agg(i.path) FROM {schema}.indexed_paths i), '{}') FROM {schema}.log l
