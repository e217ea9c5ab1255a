-- What is true of the whole log: one schema holds one log, and this table holds one row.
-- `id` tells logs apart. `index_top_level` says whether every top-level string, integer and boolean of a
-- payload gets a key; declared paths (see indexed_paths) get theirs in either case. `max_event_keys` limits how many
-- values of one event do, as they are written under the log's lock: 1,000 take some 10 ms.
CREATE TABLE log (
    singleton       boolean     PRIMARY KEY DEFAULT true CHECK (singleton),
    id              uuid        NOT NULL DEFAULT gen_random_uuid(),
    index_top_level boolean     NOT NULL,
    max_event_keys  integer     NOT NULL DEFAULT 1000 CHECK (max_event_keys > 0),
    created_at      timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE log IS 'eventstore: one row, the settings that every writer of this log shares';
