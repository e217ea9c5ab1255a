-- Privileges on a log: reader, writer, importer and projector. Each is a list of tables to SELECT from and of functions to EXECUTE, with USAGE
-- on the schema. Nothing of the kind is kept in a table: PostgreSQL's own grants say who has what, so that DROP OWNED, dumps and
-- REASSIGN OWNED keep it right.
--
-- Each privilege has a mark: a function that does nothing, which is granted with it and not with any other one. Who may EXECUTE the mark holds the
-- privilege.
--
-- A later migration that adds something for those who hold a privilege already makes privilege_objects_v1 anew, with CREATE OR REPLACE
-- and the longer list, and calls renew_privileges_v1(): all who are marked are granted it, in the transaction of the migration, so that
-- their processes go on through a rolling upgrade. What was granted by hand has no mark, and is left as it is.
CREATE FUNCTION reader_v1() RETURNS void LANGUAGE sql IMMUTABLE AS '';
CREATE FUNCTION writer_v1() RETURNS void LANGUAGE sql IMMUTABLE AS '';
CREATE FUNCTION importer_v1() RETURNS void LANGUAGE sql IMMUTABLE AS '';
CREATE FUNCTION projector_v1() RETURNS void LANGUAGE sql IMMUTABLE AS '';

COMMENT ON FUNCTION reader_v1 IS 'eventstore: who may call it holds the privilege to read';
COMMENT ON FUNCTION writer_v1 IS 'eventstore: who may call it holds the privilege to append';
COMMENT ON FUNCTION importer_v1 IS 'eventstore: who may call it holds the privilege to import';
COMMENT ON FUNCTION projector_v1 IS 'eventstore: who may call it holds the privilege to follow the log';
REVOKE ALL ON FUNCTION reader_v1, writer_v1, importer_v1, projector_v1 FROM PUBLIC;
