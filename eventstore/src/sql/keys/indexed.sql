-- Which paths the log has keys for: one row a declared path, or one without a path where there is none.
SELECT l.index_top_level, i.path, i.state, i.done_to, i.target
FROM {schema}.log l
LEFT JOIN {schema}.indexed_paths i ON true
ORDER BY i.path
