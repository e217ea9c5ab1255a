-- Declared paths. They live in the log and not in the writers: two processes with different settings would
-- otherwise miss each other's events. `path` is the canonical text (segments joined by dots, backslash
-- escapes), `extract` yields every element that the path reaches, through arrays too.
CREATE TABLE indexed_paths (
    path    text     COLLATE "C" PRIMARY KEY,
    extract jsonpath NOT NULL,
    ready   boolean  NOT NULL DEFAULT true
);

COMMENT ON TABLE indexed_paths IS 'eventstore: payload paths whose values become keys';
