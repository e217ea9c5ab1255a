-- How far imports have come that are under way: `chunk` is the last chunk that is in the log. Written in the transaction that
-- appends it, so that both are there or neither, in a failover too. Rows of imports that ended are deleted after a week.
CREATE TABLE imports (
    id         uuid        PRIMARY KEY,
    chunk      integer     NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE imports IS 'eventstore: how far imports have come';
