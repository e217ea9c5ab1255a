-- Who takes part in consumer groups: for people who look. Nothing rests on it but that a group which has members alive is not reset.
CREATE TABLE group_members (
    group_id   integer     NOT NULL,
    member     uuid        NOT NULL,
    label      text        NOT NULL,
    in_flight  integer     NOT NULL DEFAULT 0,
    beat_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    beat_every interval    NOT NULL,
    PRIMARY KEY (group_id, member)
) WITH (fillfactor = 50);

COMMENT ON TABLE group_members IS 'eventstore: who takes part in consumer groups';
