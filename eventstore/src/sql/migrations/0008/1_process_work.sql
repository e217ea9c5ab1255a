-- What process managers have to do: small, as what is done is deleted. `lane` is c for a command to be carried out, s for one that was
-- started and is asked after, w for a wake-up. `due_at` is when it is due next; whoever claims it has it until `leased_until`, and
-- `lease` names that claim, and with it the one who may say what came of it. `cause` is the position of the event it follows from; 0 for
-- what follows from a wake-up or a failure. `deadline_at` is when what was started has failed.
-- Claims change no column that an index has, so that rows are changed in place.
CREATE TABLE process_work (
    id             uuid             PRIMARY KEY,
    process        text             COLLATE "C" NOT NULL CHECK (octet_length(process) BETWEEN 1 AND 236),
    lane           "char"           NOT NULL,
    is_parked      boolean          NOT NULL DEFAULT false,
    due_at         timestamptz      NOT NULL,
    lease          uuid,
    leased_until   timestamptz,
    attempts       integer          NOT NULL DEFAULT 0,
    cause          bigint           NOT NULL,
    key            jsonb            NOT NULL CHECK (octet_length(key::text) <= 1000),
    name           text             COLLATE "C" NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 255),
    payload        jsonb            NOT NULL DEFAULT 'null',
    reference      jsonb,
    check_every_ms double precision,
    deadline_at    timestamptz,
    failure        text,
    parked_at      timestamptz
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000);

CREATE INDEX process_work_due ON process_work (process, lane, due_at) WHERE NOT is_parked;
CREATE INDEX process_work_parked ON process_work (process, parked_at) WHERE is_parked;
CREATE UNIQUE INDEX process_work_wake_ups ON process_work (process, key, name) WHERE lane = 'w';

COMMENT ON TABLE process_work IS 'eventstore: the commands and wake-ups of process managers';
