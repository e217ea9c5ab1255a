-- Declares an indexed path of a new log.
INSERT INTO indexed_paths (path, extract) VALUES ($1, $2::text::jsonpath)
