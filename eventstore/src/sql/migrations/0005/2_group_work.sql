-- What consumer groups have to do: small, as what is done is deleted. `state` is r for what is ready, leased, or waits for its next
-- attempt, p for what is parked, b for what waits behind something parked. Ready is due at `due_at`: at once, when a lease runs out,
-- or after a pause. `lease` names the claim, and with it the one who may settle it. Events of one `key` are handed over in their
-- order; those without in any.
-- The primary key begins with the position, so that no plan, however small the table, finds a row by walking those of its group.
-- Room in the pages, so that claiming changes rows in place: no index has a column that a claim changes.
CREATE TABLE group_work (
    group_id  integer     NOT NULL,
    attempts  integer     NOT NULL DEFAULT 0,
    position  bigint      NOT NULL,
    key       bigint,
    due_at    timestamptz NOT NULL DEFAULT '-infinity',
    lease     uuid,
    state     "char"      NOT NULL DEFAULT 'r',
    failure   text,
    parked_at timestamptz,
    PRIMARY KEY (position, group_id)
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000);

CREATE INDEX group_work_ready ON group_work (group_id, position) WHERE state = 'r';
CREATE INDEX group_work_parked ON group_work (group_id, position) WHERE state = 'p';
CREATE INDEX group_work_keys ON group_work (group_id, key, position) WHERE key IS NOT NULL;

COMMENT ON TABLE group_work IS 'eventstore: what consumer groups have to do';
