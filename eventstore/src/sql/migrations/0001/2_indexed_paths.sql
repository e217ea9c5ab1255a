-- Declared paths. They live in the log and not in the writers: two processes with different settings would
-- otherwise miss each other's events. `path` is the canonical text (segments joined by dots, backslash
-- escapes), `extract` yields every element that the path reaches, through arrays too.
--
-- States:  building   new events get keys, those up to `target` are given theirs step by step
--          ready      every event has its keys: filters may use the path
--          dropping   new events get no keys, those up to `target` lose theirs step by step; then the row goes
-- Rows come, and begin to be dropped, under the append lock: each append has either seen it or is not in `target`.
CREATE TABLE indexed_paths (
    path    text     COLLATE "C" PRIMARY KEY,
    extract jsonpath NOT NULL,
    state   text     COLLATE "C" NOT NULL DEFAULT 'ready' CHECK (state IN ('building', 'ready', 'dropping')),
    done_to bigint   NOT NULL DEFAULT 0,
    target  bigint   NOT NULL DEFAULT 0
);

COMMENT ON TABLE indexed_paths IS 'eventstore: payload paths whose values become keys';
