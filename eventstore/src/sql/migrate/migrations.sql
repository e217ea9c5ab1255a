-- Which migrations were applied. `works_with` is the oldest version of the library that works with the schema
-- after it: during a rolling upgrade, old processes go on beside new ones.
CREATE TABLE migrations (
    version    integer     PRIMARY KEY,
    name       text        NOT NULL,
    checksum   text        NOT NULL,
    works_with integer     NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
