-- The inline projections of this log: functions (bigint, bigint) that every append calls, in its own transaction, with the first and the
-- last position that it has written. `after` is the position that the log had when it was registered: what comes later is handed to it.
-- `function` is its quoted name, with its schema, and `function_oid` its oid. It is found by the name, as a dump, an upgrade of the
-- server, and whoever drops a function and makes it anew give it another oid; one that was renamed is found by the oid. No regprocedure:
-- pg_upgrade refuses a server that has a column of that type.
-- Only the owner of the log may write here: what stands here runs with the owner's rights.
CREATE TABLE inline_projections (
    name          text        COLLATE "C" PRIMARY KEY CHECK (octet_length(name) BETWEEN 1 AND 255),
    function      text        NOT NULL,
    function_oid  oid         NOT NULL,
    after         bigint      NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

COMMENT ON TABLE inline_projections IS 'eventstore: the functions that every append calls';
