-- How far subscriptions have come, and who holds each of them. `position` and `event_id` are the checkpoint: everything up to
-- there is done with. The checkpoint lies in the log's own database, so that a failover that loses the end of the log loses
-- what was said about that end, too. Rows are changed in place: no index has a column that changes.
CREATE TABLE subscriptions (
    name         text        COLLATE "C" PRIMARY KEY CHECK (octet_length(name) BETWEEN 1 AND 255),
    fingerprint  bytea       NOT NULL,
    position     bigint      NOT NULL,
    event_id     uuid        NOT NULL,
    committed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    holder       uuid,
    held_by      text,
    beat_at      timestamptz,
    beat_every   interval
) WITH (fillfactor = 50);

COMMENT ON TABLE subscriptions IS 'eventstore: the checkpoint of each subscription, and who holds it';
