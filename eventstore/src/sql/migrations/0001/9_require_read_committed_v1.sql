-- Raises unless what is read after the append lock was granted is what was committed before: at READ COMMITTED each
-- statement has a snapshot of its own, at any other level the first statement's is kept. And unless the server can write:
-- locks can be taken on a standby too, and its stale log must not refuse anything.
CREATE FUNCTION require_read_committed_v1() RETURNS void
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    IF pg_catalog.current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'the log needs transaction isolation "read committed", found "%"',
            pg_catalog.current_setting('transaction_isolation')
            USING ERRCODE = 'invalid_transaction_state',
                  HINT = 'default_transaction_isolation of the server, database or role reaches into it';
    END IF;
    IF pg_catalog.current_setting('transaction_read_only')::boolean THEN
        RAISE EXCEPTION 'the log needs a server that can write' USING ERRCODE = 'read_only_sql_transaction';
    END IF;
END
$$;
