-- What a privilege consists of, its mark included; nothing for one that does not exist. Names of functions are unique in a log.
--
-- All of them read. Writers append and keep snapshots; importers import; projectors hold what follows the log: checkpoints, groups,
-- projections, process managers (which keep snapshots of their states) and recomputes. No privilege has what only the owner may do:
-- declaring paths, registering inline projections, granting. Nobody reads `imports`.
CREATE FUNCTION privilege_objects_v1(p_privilege text) RETURNS TABLE (kind text, name text)
LANGUAGE sql IMMUTABLE
SET search_path FROM CURRENT
AS $$
    SELECT o.kind, unnest(o.names)
    FROM (VALUES
        (ARRAY['reader', 'writer', 'importer', 'projector'], 'TABLE', ARRAY[
            'log', 'indexed_paths', 'events', 'keys', 'migrations', 'snapshots', 'subscriptions', 'consumer_groups', 'group_work',
            'group_members', 'projections', 'inline_projections', 'process_work', 'recompute_queue']),
        (ARRAY['reader', 'writer', 'importer', 'projector'], 'FUNCTION', ARRAY[
            'type_key_v1', 'value_key_v1', 'position_before_v1', 'is_alive_v1', 'projection_checkpoint_v1', 'inline_function_v1']),
        (ARRAY['reader'], 'FUNCTION', ARRAY['reader_v1']),
        (ARRAY['writer'], 'FUNCTION', ARRAY['writer_v1', 'append_v1', 'delete_snapshot_v1']),
        (ARRAY['writer', 'projector'], 'FUNCTION', ARRAY['save_snapshot_v1']),
        (ARRAY['importer'], 'FUNCTION', ARRAY['importer_v1', 'import_v1']),
        (ARRAY['projector'], 'FUNCTION', ARRAY[
            'projector_v1',
            'hold_subscription_v1', 'commit_checkpoint_v1', 'beat_subscriptions_v1', 'release_subscriptions_v1', 'reset_subscription_v1',
            'join_group_v1', 'feed_group_v1', 'claim_unordered_v1', 'claim_ordered_v1', 'settle_group_v1', 'beat_group_v1',
            'leave_group_v1', 'reset_group_v1', 'unpark_v1',
            'join_projection_v1', 'make_projection_v1', 'lock_projection_v1', 'resume_projection_v1', 'fail_projection_v1',
            'swap_projection_v1', 'pause_projection_v1', 'rebuild_projection_v1', 'delete_projection_v1',
            'react_process_v1', 'claim_process_work_v1', 'settle_process_work_v1', 'beat_process_work_v1', 'unpark_process_work_v1',
            'queue_recomputes_v1', 'claim_recomputes_v1', 'settle_recompute_v1', 'fail_recompute_v1', 'beat_recomputes_v1',
            'requeue_recompute_v1', 'requeue_recomputes_v1', 'delete_recomputes_v1'])
    ) AS o(privileges, kind, names)
    WHERE p_privilege = ANY (o.privileges)
$$;

COMMENT ON FUNCTION privilege_objects_v1 IS 'eventstore: what a privilege consists of';
REVOKE ALL ON FUNCTION privilege_objects_v1 FROM PUBLIC;
