-- All indexes with default options.
CREATE TABLE events (
    sequence_number bigserial   PRIMARY KEY,
    occurred_at     timestamptz NOT NULL,
    event_type      text        NOT NULL,
    payload         jsonb       NOT NULL,
    metadata        jsonb       NOT NULL
);
CREATE INDEX ON events (event_type);
CREATE INDEX ON events (occurred_at);
CREATE INDEX ON events USING gin (payload jsonb_path_ops);
CREATE INDEX ON events USING gin (metadata jsonb_path_ops)
