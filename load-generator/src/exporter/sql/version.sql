-- The version of the server, as a label.
SELECT current_setting('server_version') AS version, 1::float8 AS info
