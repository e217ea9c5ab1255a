-- Takes part no more. Leases were handed back before. SECURITY DEFINER as join_group_v1 is. Index: group_members_pkey.
CREATE FUNCTION leave_group_v1(p_group_id integer, p_member uuid) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
    DELETE FROM group_members m WHERE m.group_id = p_group_id AND m.member = p_member
$$;

COMMENT ON FUNCTION leave_group_v1 IS 'eventstore: takes part in a consumer group no more';
REVOKE ALL ON FUNCTION leave_group_v1 FROM PUBLIC;
