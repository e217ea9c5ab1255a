-- The keys of recomputed projections: one row each, for good, so that any number of events of a key make one recompute. `wanted` is the
-- position of the last event that is known to change the key, `done` that up to which what is saved of it is complete for certain; null
-- if nothing was saved yet. `due_at` is when the key is to be recomputed next, null where there is no reason: then `done` is `wanted`.
-- `not_before` is when that may begin, the minimum interval after `begun_at`. `again` has a key recomputed that has no new event.
-- `waits_since` is since when something is missing in what is shown; where an event came during a recompute, since that one began.
--
-- The index names `due_at` alone, and not `wanted` or `done`: a column in an index, or in its predicate, can not be changed in place. So an
-- event of a key that is due already, a claim and a heartbeat are changes in place; becoming due and being done are not, which is two
-- entries in the index for each recompute, and not one for each batch of events.
CREATE TABLE recompute_queue (
    projection   text        COLLATE "C" NOT NULL CHECK (octet_length(projection) BETWEEN 1 AND 245),
    key          text        COLLATE "C" NOT NULL CHECK (octet_length(key) BETWEEN 1 AND 1000),
    wanted       bigint      NOT NULL,
    wanted_id    uuid        NOT NULL,
    done         bigint,
    due_at       timestamptz,
    not_before   timestamptz NOT NULL DEFAULT '-infinity',
    again        boolean     NOT NULL DEFAULT false,
    waits_since  timestamptz,
    begun_at     timestamptz,
    lease        uuid,
    leased_until timestamptz,
    attempts     integer     NOT NULL DEFAULT 0,
    failure      text,
    PRIMARY KEY (projection, key)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000);

CREATE INDEX recompute_queue_due ON recompute_queue (projection, due_at) WHERE due_at IS NOT NULL;

COMMENT ON TABLE recompute_queue IS 'eventstore: the keys of recomputed projections, and which are to be recomputed';
