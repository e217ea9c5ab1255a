-- All settings, with where they stand (NULL without pg_read_all_settings).
SELECT name, setting, unit, pg_catalog.current_setting(name, true) AS shown, source, context, sourcefile AS file, sourceline AS line,
       pending_restart
  FROM pg_settings
