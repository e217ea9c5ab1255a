-- The store's tables, with a sequence.
CREATE TABLE events (
    position    bigserial   PRIMARY KEY,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    occurred_at timestamptz NOT NULL DEFAULT now(),
    id          uuid        NOT NULL UNIQUE,
    event_type  text        COLLATE "C" NOT NULL,
    payload     jsonb       NOT NULL,
    metadata    jsonb       NOT NULL
);
CREATE TABLE keys (
    key      bigint NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (key, position)
)
