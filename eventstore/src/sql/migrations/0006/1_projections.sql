-- The projections of this log. Each *generation* of one is built from the beginning of the log, into a schema of its own, and has a
-- checkpoint among the subscriptions; one generation at a time is live: the one that is read. `made` says that its tables are there.
-- `resumed_at` and `resumed_position` are where it went on last: how fast it is. `failed_position` names the event that stopped it.
CREATE TABLE projections (
    name             text        COLLATE "C" NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 255),
    generation       integer     NOT NULL,
    version          integer     NOT NULL,
    is_live          boolean     NOT NULL DEFAULT false,
    is_made          boolean     NOT NULL DEFAULT false,
    is_paused        boolean     NOT NULL DEFAULT false,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    resumed_at       timestamptz,
    resumed_position bigint,
    failed_position  bigint,
    failure          text,
    failed_at        timestamptz,
    PRIMARY KEY (name, generation)
);
CREATE UNIQUE INDEX projections_live ON projections (name) WHERE is_live;

COMMENT ON TABLE projections IS 'eventstore: the generations of each projection';
