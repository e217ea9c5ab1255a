-- Under which keys an event can be found: its type, and the indexed values of its payload. A key is a
-- 64-bit hash; readers check the event itself, so that a collision does no harm.
CREATE TABLE keys (
    key      bigint NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (key, position)
);

COMMENT ON TABLE keys IS 'eventstore: hashed event types and payload values, each with the positions that have it';
