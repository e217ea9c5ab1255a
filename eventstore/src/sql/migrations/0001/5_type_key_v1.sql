-- The key of an event type. Seed 0; the seeds of value keys are hashes themselves.
CREATE FUNCTION type_key_v1(event_type text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN hashtextextended(event_type COLLATE "C", 0);
