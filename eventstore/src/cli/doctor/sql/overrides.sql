-- What is set for roles and databases instead, in this database and in all.
SELECT r.rolname::text AS role, d.datname::text AS database,
       pg_catalog.split_part(setting, '=', 1) AS name, pg_catalog.substr(setting, pg_catalog.strpos(setting, '=') + 1) AS value
  FROM pg_db_role_setting s
 CROSS JOIN pg_catalog.unnest(s.setconfig) AS setting
  LEFT JOIN pg_roles r ON r.oid = s.setrole
  LEFT JOIN pg_database d ON d.oid = s.setdatabase
 WHERE s.setdatabase = 0 OR d.datname = pg_catalog.current_database()
 ORDER BY 1, 2, 3
