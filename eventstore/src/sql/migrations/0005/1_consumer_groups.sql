-- Consumer groups. Up to `fed` the events that match a group's filter have been put into group_work, from which they go when they
-- are done; up to `done` nothing is left there to do but what is parked, or waits behind something parked. Who changes `fed`, `done`
-- or what is parked locks the group's row first.
-- No lease and no pause of any member ends later than `horizon` from now: what is due later was leased before the clock was set back.
-- `order_by` says between which events order is kept: `none`, `all`, or the canonical path behind `by `.
CREATE TABLE consumer_groups (
    id          integer     GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text        COLLATE "C" NOT NULL UNIQUE CHECK (octet_length(name) BETWEEN 1 AND 255),
    fingerprint bytea       NOT NULL,
    order_by    text        COLLATE "C" NOT NULL,
    extract     jsonpath,
    fed         bigint      NOT NULL,
    fed_id      uuid        NOT NULL,
    done        bigint      NOT NULL,
    horizon     interval    NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

COMMENT ON TABLE consumer_groups IS 'eventstore: how far each consumer group has come';
