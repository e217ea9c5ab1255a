-- The event with an id ($11), by events_id_key.
hits AS (
    SELECT e.position FROM {schema}.events e WHERE e.id = $11::uuid LIMIT $3
)
