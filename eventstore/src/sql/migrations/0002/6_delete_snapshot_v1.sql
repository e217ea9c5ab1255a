-- Deletes a snapshot; tells whether there was one. SECURITY DEFINER as save_snapshot_v1 is.
CREATE FUNCTION delete_snapshot_v1(p_name text, p_fingerprint bytea) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
    DELETE FROM snapshots s WHERE s.name = p_name AND s.fingerprint = p_fingerprint RETURNING true
$$;

COMMENT ON FUNCTION delete_snapshot_v1 IS 'eventstore: deletes a snapshot';
REVOKE ALL ON FUNCTION delete_snapshot_v1 FROM PUBLIC;
