-- The log itself. Positions are 1, 2, 3 … in commit order; only the append function writes here.
-- The primary key on position is the second guard behind the append lock: it refuses a writer that went
-- around it. Fixed-width columns stand first, so that rows need no padding.
CREATE TABLE events (
    position    bigint      PRIMARY KEY,
    recorded_at timestamptz NOT NULL,
    occurred_at timestamptz NOT NULL CHECK (occurred_at BETWEEN '4712-01-01 00:00:00+00 BC' AND '9999-12-31 23:59:59.999999+00'),
    id          uuid        NOT NULL UNIQUE,
    event_type  text        COLLATE "C" NOT NULL,
    payload     jsonb       NOT NULL,
    metadata    jsonb       NOT NULL
);

COMMENT ON TABLE events IS 'eventstore: the events, in commit order and without gaps';
