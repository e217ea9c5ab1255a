-- What tells clusters apart: a standby has its primary's.
SELECT system_identifier::text AS system FROM pg_catalog.pg_control_system()
