-- Settings by name ($1), and all that somebody has set: in a file, on the command line, or for this database or role. Without those that say where
-- the server and its files are, who may come in, and how text looks: they differ everywhere and change no figure. Nor what may have a secret in it.
SELECT name, current_setting(name)
  FROM pg_settings
 WHERE name = ANY ($1)
    OR source NOT IN ('default', 'override', 'client', 'session')
       AND name !~ '^(ssl_|lc_|krb_|gss_|unix_socket_|bonjour|syslog_|recovery_target|primary_)'
       AND name !~ '_(file|command|directory|destination|path|conninfo)$'
       AND name !~* '(secret|passw|passphrase|token|salt|private)'
       AND name NOT IN ('port', 'listen_addresses', 'cluster_name', 'application_name', 'event_source', 'event_triggers', 'archive_library',
                        'log_filename', 'log_file_mode', 'log_line_prefix', 'log_timezone', 'logging_collector', 'DateStyle', 'IntervalStyle',
                        'TimeZone', 'timezone_abbreviations', 'client_encoding', 'default_text_search_config', 'search_path')
