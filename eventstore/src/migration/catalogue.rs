//! The steps that a log's schema is made of.

use sha2::{Digest as _, Sha256};

use crate::schema::SchemaName;
use crate::sql::{self, migrate};

/// One step of the schema.
pub(super) struct Step {
    pub(super) version: i32,
    pub(super) name: &'static str,
    /// The oldest version of this library that works with the schema after this step.
    pub(super) works_with: i32,
    objects: &'static [&'static str],
}

/// Never changed once released; only added to.
pub(super) const STEPS: &[Step] = &[
    Step {
        version: 1,
        name: "events, keys, log, append_v1",
        works_with: 1,
        objects: &[
            include_str!("../sql/migrations/0001/1_log.sql"),
            include_str!("../sql/migrations/0001/2_indexed_paths.sql"),
            include_str!("../sql/migrations/0001/3_events.sql"),
            include_str!("../sql/migrations/0001/4_keys.sql"),
            include_str!("../sql/migrations/0001/5_type_key_v1.sql"),
            include_str!("../sql/migrations/0001/6_value_key_v1.sql"),
            include_str!("../sql/migrations/0001/7_event_keys_v1.sql"),
            include_str!("../sql/migrations/0001/8_position_before_v1.sql"),
            include_str!("../sql/migrations/0001/9_require_read_committed_v1.sql"),
            include_str!("../sql/migrations/0001/10_append_v1.sql"),
            include_str!("../sql/migrations/0001/11_privileges.sql"),
        ],
    },
    Step {
        version: 2,
        name: "paths of a live log, snapshots",
        works_with: 1,
        objects: &[
            include_str!("../sql/migrations/0002/1_index_path_v1.sql"),
            include_str!("../sql/migrations/0002/2_drop_path_v1.sql"),
            include_str!("../sql/migrations/0002/3_index_step_v1.sql"),
            include_str!("../sql/migrations/0002/4_snapshots.sql"),
            include_str!("../sql/migrations/0002/5_save_snapshot_v1.sql"),
            include_str!("../sql/migrations/0002/6_delete_snapshot_v1.sql"),
        ],
    },
    Step {
        version: 3,
        name: "imports with two calls under way",
        works_with: 1,
        objects: &[
            include_str!("../sql/migrations/0003/1_imports.sql"),
            include_str!("../sql/migrations/0003/2_import_v1.sql"),
        ],
    },
    Step {
        version: 4,
        name: "subscriptions",
        works_with: 1,
        objects: &[
            include_str!("../sql/migrations/0004/1_subscriptions.sql"),
            include_str!("../sql/migrations/0004/2_is_alive_v1.sql"),
            include_str!("../sql/migrations/0004/3_has_event_v1.sql"),
            include_str!("../sql/migrations/0004/4_hold_subscription_v1.sql"),
            include_str!("../sql/migrations/0004/5_commit_checkpoint_v1.sql"),
            include_str!("../sql/migrations/0004/6_beat_subscriptions_v1.sql"),
            include_str!("../sql/migrations/0004/7_release_subscriptions_v1.sql"),
            include_str!("../sql/migrations/0004/8_reset_subscription_v1.sql"),
        ],
    },
    Step {
        version: 5,
        name: "consumer groups",
        works_with: 1,
        objects: &[
            include_str!("../sql/migrations/0005/1_consumer_groups.sql"),
            include_str!("../sql/migrations/0005/2_group_work.sql"),
            include_str!("../sql/migrations/0005/3_group_members.sql"),
            include_str!("../sql/migrations/0005/4_join_group_v1.sql"),
            include_str!("../sql/migrations/0005/5_fold_group_v1.sql"),
            include_str!("../sql/migrations/0005/6_feed_group_v1.sql"),
            include_str!("../sql/migrations/0005/7_park_v1.sql"),
            include_str!("../sql/migrations/0005/8_next_due_v1.sql"),
            include_str!("../sql/migrations/0005/9_claim_unordered_v1.sql"),
            include_str!("../sql/migrations/0005/10_claim_ordered_v1.sql"),
            include_str!("../sql/migrations/0005/11_settle_group_v1.sql"),
            include_str!("../sql/migrations/0005/12_beat_group_v1.sql"),
            include_str!("../sql/migrations/0005/13_leave_group_v1.sql"),
            include_str!("../sql/migrations/0005/14_reset_group_v1.sql"),
            include_str!("../sql/migrations/0005/15_unpark_v1.sql"),
        ],
    },
    Step {
        version: 6,
        name: "projections",
        works_with: 1,
        objects: &[
            include_str!("../sql/migrations/0006/1_projections.sql"),
            include_str!("../sql/migrations/0006/2_projection_checkpoint_v1.sql"),
            include_str!("../sql/migrations/0006/3_join_projection_v1.sql"),
            include_str!("../sql/migrations/0006/4_make_projection_v1.sql"),
            include_str!("../sql/migrations/0006/5_resume_projection_v1.sql"),
            include_str!("../sql/migrations/0006/6_fail_projection_v1.sql"),
            include_str!("../sql/migrations/0006/7_swap_projection_v1.sql"),
            include_str!("../sql/migrations/0006/8_pause_projection_v1.sql"),
            include_str!("../sql/migrations/0006/9_rebuild_projection_v1.sql"),
            include_str!("../sql/migrations/0006/10_delete_projection_v1.sql"),
            include_str!("../sql/migrations/0006/11_lock_projection_v1.sql"),
        ],
    },
    Step {
        version: 7,
        name: "inline projections",
        works_with: 1,
        objects: &[
            include_str!("../sql/migrations/0007/1_inline_projections.sql"),
            include_str!("../sql/migrations/0007/2_inline_function_v1.sql"),
            include_str!("../sql/migrations/0007/3_call_inline_v1.sql"),
            include_str!("../sql/migrations/0007/4_register_inline_v1.sql"),
            include_str!("../sql/migrations/0007/5_unregister_inline_v1.sql"),
        ],
    },
    Step {
        version: 8,
        name: "process managers",
        works_with: 1,
        objects: &[
            include_str!("../sql/migrations/0008/1_process_work.sql"),
            include_str!("../sql/migrations/0008/2_claim_process_work_v1.sql"),
            include_str!("../sql/migrations/0008/3_settle_process_work_v1.sql"),
            include_str!("../sql/migrations/0008/4_beat_process_work_v1.sql"),
            include_str!("../sql/migrations/0008/5_react_process_v1.sql"),
            include_str!("../sql/migrations/0008/6_unpark_process_work_v1.sql"),
        ],
    },
    Step {
        version: 9,
        name: "recomputed projections",
        works_with: 1,
        objects: &[
            include_str!("../sql/migrations/0009/1_recompute_queue.sql"),
            include_str!("../sql/migrations/0009/2_queue_recomputes_v1.sql"),
            include_str!("../sql/migrations/0009/3_claim_recomputes_v1.sql"),
            include_str!("../sql/migrations/0009/4_settle_recompute_v1.sql"),
            include_str!("../sql/migrations/0009/5_fail_recompute_v1.sql"),
            include_str!("../sql/migrations/0009/6_beat_recomputes_v1.sql"),
            include_str!("../sql/migrations/0009/7_requeue_recomputes_v1.sql"),
            include_str!("../sql/migrations/0009/8_delete_recomputes_v1.sql"),
        ],
    },
    Step {
        version: 10,
        name: "events that refuse change, privileges",
        works_with: 1,
        objects: &[
            include_str!("../sql/migrations/0010/1_refuse_change_v1.sql"),
            include_str!("../sql/migrations/0010/2_privileges.sql"),
            include_str!("../sql/migrations/0010/3_privilege_objects_v1.sql"),
            include_str!("../sql/migrations/0010/4_privileges_v1.sql"),
            include_str!("../sql/migrations/0010/5_grant_v1.sql"),
            include_str!("../sql/migrations/0010/6_revoke_v1.sql"),
            include_str!("../sql/migrations/0010/7_renew_privileges_v1.sql"),
            include_str!("../sql/migrations/0010/8_nothing_for_public.sql"),
            include_str!("../sql/migrations/0010/9_append_v1.sql"),
            include_str!("../sql/migrations/0010/10_strangers_v1.sql"),
        ],
    },
    Step {
        version: 11,
        name: "recomputes that wait where nothing is to come",
        works_with: 1,
        objects: &[include_str!("../sql/migrations/0011/1_claim_recomputes_v1.sql")],
    },
    Step {
        version: 12,
        name: "bounded work behind parked events, recomputes that are forgotten at once",
        works_with: 1,
        objects: &[
            include_str!("../sql/migrations/0012/1_feed_group_v1.sql"),
            include_str!("../sql/migrations/0012/2_delete_recomputes_v1.sql"),
        ],
    },
];

/// The version that this library's schema has.
pub(super) const LATEST: i32 = STEPS[STEPS.len() - 1].version;

impl Step {
    pub(super) fn sql(&self) -> String {
        self.objects.concat()
    }

    /// Of the text as it is applied, in hexadecimal digits: an applied step must never change.
    pub(super) fn checksum(&self) -> String {
        Sha256::digest(self.sql()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// All steps as a script for `psql`, for whoever makes a schema by hand: what `migrate` would do to an empty one.
pub(super) fn script(schema: &SchemaName) -> String {
    let mut script = format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED;\n\n{};\n{};\n\n{};\n\n",
        sql::for_schema(migrate::CREATE_SCHEMA, schema).trim_end(),
        sql::for_schema(migrate::SEARCH_PATH, schema).trim_end(),
        migrate::MIGRATIONS.trim_end()
    );
    for step in STEPS {
        script += &step.sql();
        let (version, name, checksum, works_with) =
            (step.version, step.name, step.checksum(), step.works_with);
        script += &format!(
            "\nINSERT INTO migrations (version, name, checksum, works_with)\n\
             VALUES ({version}, '{name}', '{checksum}', {works_with});\n\n"
        );
    }
    script + "INSERT INTO log (index_top_level) VALUES (true);\n\nCOMMIT;\n"
}
