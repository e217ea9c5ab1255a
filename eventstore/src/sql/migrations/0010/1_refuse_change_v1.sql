-- Refuses any change of events: they are only added. A defect, a mistyped statement and a tool with the owner's rights are stopped alike;
-- replication roles too, as the triggers fire always (under session_replication_role = replica as well).
--
-- Guarantee: no UPDATE, DELETE or TRUNCATE of events while the triggers are enabled. Only the owner of the log can disable them, in words that
-- can not be written by mistake. They stop nobody who has the owner's rights and wants to.
-- restrict_violation, and not insufficient_privilege: who reads that grants something, and here nothing can be granted that helps.
--
-- Two triggers, of UPDATE, DELETE and TRUNCATE only: appends and imports, which INSERT, fire neither. One for each statement, also where it finds no
-- row; one for each row, as a subscriber of logical replication applies changes row by row, and fires no trigger of statements but of TRUNCATE.
-- Keys have none: whoever drops an indexed path deletes its keys, and they can be made again from the events.
--
-- CREATE TRIGGER waits for nobody who reads or appends (the migration holds the log's lock), but for VACUUM and ANALYZE, and appends wait
-- meanwhile: so it is given up soon, and the migration is tried again later.
SET LOCAL lock_timeout = '2s';

CREATE FUNCTION refuse_change_v1() RETURNS trigger
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
BEGIN
    RAISE EXCEPTION 'events are only added, never changed: % on %.% refused',
        TG_OP, quote_ident(TG_TABLE_SCHEMA), quote_ident(TG_TABLE_NAME)
        USING ERRCODE = 'restrict_violation',
              HINT = format('To archive or erase events on purpose, the owner disables the triggers in that very transaction: BEGIN; '
                            'ALTER TABLE %1$I.%2$I DISABLE TRIGGER refuse_change, DISABLE TRIGGER refuse_change_of_row; ... ; '
                            'ALTER TABLE %1$I.%2$I ENABLE ALWAYS TRIGGER refuse_change, ENABLE ALWAYS TRIGGER refuse_change_of_row; COMMIT',
                            TG_TABLE_SCHEMA, TG_TABLE_NAME);
END
$$;

COMMENT ON FUNCTION refuse_change_v1 IS 'eventstore: refuses any change of events';
REVOKE ALL ON FUNCTION refuse_change_v1 FROM PUBLIC;

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_v1();
CREATE TRIGGER refuse_change_of_row BEFORE UPDATE OR DELETE ON events
    FOR EACH ROW EXECUTE FUNCTION refuse_change_v1();
ALTER TABLE events ENABLE ALWAYS TRIGGER refuse_change, ENABLE ALWAYS TRIGGER refuse_change_of_row;
COMMENT ON TRIGGER refuse_change ON events IS 'eventstore: events are only added';
COMMENT ON TRIGGER refuse_change_of_row ON events IS 'eventstore: events are only added, on a subscriber too';
