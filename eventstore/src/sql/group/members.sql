-- Who takes part in a group ($1). Index: group_members_pkey.
SELECT m.label, m.in_flight, m.beat_at, {schema}.is_alive_v1(m.beat_at, m.beat_every) AS is_alive
FROM {schema}.consumer_groups AS g JOIN {schema}.group_members AS m ON m.group_id = g.id
WHERE g.name = $1
ORDER BY m.member
