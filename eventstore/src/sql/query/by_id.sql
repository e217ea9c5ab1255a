-- The event with an id ($12), by events_id_key.
hits AS (
    SELECT e.position FROM {schema}.events e WHERE e.id = $12::uuid LIMIT $3
)
