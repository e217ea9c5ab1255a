-- States folded from events, so that they need not be folded from the first one again. `fingerprint` names the filter,
-- `position` and `event_id` the point up to which its events are in `state`. Kept as JSON text, and not as jsonb, which
-- would change numbers and refuse NULs.
CREATE TABLE snapshots (
    name        text        COLLATE "C" NOT NULL,
    fingerprint bytea       NOT NULL,
    position    bigint      NOT NULL,
    event_id    uuid        NOT NULL,
    saved_at    timestamptz NOT NULL DEFAULT now(),
    state       json        NOT NULL,
    PRIMARY KEY (name, fingerprint)
);

COMMENT ON TABLE snapshots IS 'eventstore: states folded from the events of a filter, up to a position';
