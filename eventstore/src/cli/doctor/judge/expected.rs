//! The indexes that the migrations make. A test compares them with the golden dump of a migrated schema.

/// An index: its name, its table, and what stands behind `ON table`. Those of a primary key or a unique constraint are unique.
#[derive(Debug, Clone, Copy)]
pub(super) struct Index {
    pub(super) name: &'static str,
    pub(super) table: &'static str,
    pub(super) is_unique: bool,
    pub(super) on: &'static str,
}

const fn unique(name: &'static str, table: &'static str, on: &'static str) -> Index {
    Index { name, table, is_unique: true, on }
}

const fn plain(name: &'static str, table: &'static str, on: &'static str) -> Index {
    Index { name, table, is_unique: false, on }
}

pub(super) const INDEXES: &[Index] = &[
    unique("consumer_groups_name_key", "consumer_groups", "(name)"),
    unique("consumer_groups_pkey", "consumer_groups", "(id)"),
    unique("events_id_key", "events", "(id)"),
    unique("events_pkey", "events", "(position)"),
    unique("group_members_pkey", "group_members", "(group_id, member)"),
    plain("group_work_keys", "group_work", "(group_id, key, position) WHERE key IS NOT NULL"),
    plain("group_work_parked", "group_work", "(group_id, position) WHERE state = 'p'"),
    unique("group_work_pkey", "group_work", "(position, group_id)"),
    plain("group_work_ready", "group_work", "(group_id, position) WHERE state = 'r'"),
    unique("imports_pkey", "imports", "(id)"),
    unique("indexed_paths_pkey", "indexed_paths", "(path)"),
    unique("inline_projections_pkey", "inline_projections", "(name)"),
    unique("keys_pkey", "keys", "(key, position)"),
    unique("log_pkey", "log", "(singleton)"),
    unique("migrations_pkey", "migrations", "(version)"),
    plain("process_work_due", "process_work", "(process, lane, due_at) WHERE NOT is_parked"),
    plain("process_work_parked", "process_work", "(process, parked_at) WHERE is_parked"),
    unique("process_work_pkey", "process_work", "(id)"),
    unique("process_work_wake_ups", "process_work", "(process, key, name) WHERE lane = 'w'"),
    unique("projections_live", "projections", "(name) WHERE is_live"),
    unique("projections_pkey", "projections", "(name, generation)"),
    plain("recompute_queue_due", "recompute_queue", "(projection, due_at) WHERE due_at IS NOT NULL"),
    unique("recompute_queue_pkey", "recompute_queue", "(projection, key)"),
    unique("snapshots_pkey", "snapshots", "(name, fingerprint)"),
    unique("subscriptions_pkey", "subscriptions", "(name)"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_those_of_a_migrated_schema() {
        let golden = include_str!("../../../../tests/suite/schema.golden");
        let made: Vec<_> = golden.lines().filter_map(|line| line.strip_prefix("index ")).collect();
        let expected: Vec<_> = INDEXES
            .iter()
            .map(|index| {
                let columns = index.on.split(" WHERE").next().unwrap();
                format!("{} on {} {columns}", index.name, index.table)
            })
            .collect();
        assert_eq!(made, expected, "say here what a new migration adds");
    }
}
