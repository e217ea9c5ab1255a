//! What is asked of the log: its tables, and what they say.

use crate::exporter::query::Asks::{Log, Schema};
use crate::exporter::query::Query;

const LAG_EVENTS: (&str, &str) = (
    "log_consumer_lag_events",
    "How many events of the log a subscription, group, process manager or projection is not done with.",
);
const LAG_SECONDS: (&str, &str) =
    ("log_consumer_lag_seconds", "How old the first of these events is; 0 if there is none.");

/// Of the schema, and of the tables of the log in it. Those of consumers are asked on the primary only.
pub(super) const LOG: &[Query] = &[
    Query::of(
        Schema,
        include_str!("sql/tables.sql"),
        &["table"],
        &[
            ("table_live_rows", "Rows of the table, an estimate."),
            ("table_dead_rows", "Rows of the table that vacuum has to remove."),
            ("table_modified_since_analyze_rows", "Rows that were written since the last ANALYZE."),
            ("table_inserted_since_vacuum_rows", "Rows that were inserted since the last vacuum."),
            ("table_vacuums_total", "Vacuums by hand."),
            ("table_autovacuums_total", "Vacuums by autovacuum."),
            ("table_analyzes_total", "ANALYZE by hand."),
            ("table_autoanalyzes_total", "ANALYZE by autovacuum."),
            ("table_last_vacuum_timestamp_seconds", "When the table was last vacuumed, since 1970."),
            ("table_last_analyze_timestamp_seconds", "When the table was last analyzed, since 1970."),
            ("table_sequential_scans_total", "Scans of the whole table."),
        ],
    ),
    Query::of(
        Schema,
        include_str!("sql/sizes.sql"),
        &["table"],
        &[
            ("table_bytes", "How large the rows of the table are."),
            ("table_indexes_bytes", "How large the indexes of the table are."),
            ("table_toast_bytes", "How large the TOAST table is, with its index."),
            ("table_age_transactions", "How many transactions the oldest row is behind that is not frozen."),
        ],
    ),
    Query::of(
        Log,
        include_str!("sql/log.sql"),
        &[],
        &[
            ("log_head_position", "The position of the newest event, which is the number of events."),
            ("log_last_event_age_seconds", "How old the newest event is."),
        ],
    ),
    Query::of(Log, include_str!("sql/subscriptions.sql"), &["kind", "name"], &[LAG_EVENTS, LAG_SECONDS]),
    Query::of(
        Log,
        include_str!("sql/groups.sql"),
        &["kind", "name"],
        &[LAG_EVENTS, LAG_SECONDS, ("log_parked_events", "Events that failed too often and were parked.")],
    ),
    Query::of(
        Log,
        include_str!("sql/processes.sql"),
        &["process"],
        &[
            (
                "log_process_waiting",
                "Commands, checks and wake-ups of a process manager that are to be done, now or later; 100,000 where there are more.",
            ),
            (
                "log_process_parked",
                "Commands, checks and wake-ups that failed too often and were parked; 100,000 where there are more.",
            ),
            (
                "log_process_overdue_seconds",
                "For how long the first of these that nobody has claimed is due.",
            ),
        ],
    ),
    Query::of(
        Log,
        include_str!("sql/recomputes.sql"),
        &["projection"],
        &[
            (
                "log_recompute_waiting_keys",
                "Keys of a recomputed projection that are to be computed anew; 100,000 where there are more.",
            ),
            (
                "log_recompute_failing_keys",
                "Keys whose last computation failed, of the 100,000 that are due first.",
            ),
            (
                "log_recompute_oldest_wait_seconds",
                "For how long something is missing in what is shown of a key.",
            ),
        ],
    ),
    Query::of(
        Log,
        include_str!("sql/projections.sql"),
        &["name"],
        &[
            ("log_projection_failed_generations", "Generations of a projection that an event has stopped."),
            ("log_projection_paused_generations", "Generations of a projection that somebody has paused."),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::exporter::catalogue::SERVER;
    use crate::exporter::log::LOG;

    #[test]
    fn statements_have_the_columns_that_are_named() {
        for query in SERVER.iter().chain(LOG) {
            for (column, _) in query.metrics {
                let as_column = format!("AS {column}");
                assert!(query.statement.contains(&as_column), "{as_column}: {}", query.statement);
            }
            for label in query.labels {
                assert!(query.statement.contains(label), "{label}: {}", query.statement);
            }
        }
    }

    #[test]
    fn a_metric_has_one_help_and_the_same_labels_everywhere() {
        let mut seen = BTreeMap::new();
        for query in SERVER.iter().chain(LOG) {
            for (column, help) in query.metrics {
                let known = seen.entry(column).or_insert((help, query.labels));
                assert_eq!(*known, (help, query.labels), "{column}");
            }
        }
    }

    #[test]
    fn no_version_is_asked_twice_for_the_same_metric_of_the_server() {
        for version in [150_000, 160_009, 170_011, 180_006] {
            let queries = SERVER.iter().filter(|query| query.is_for(version));
            let mut columns: Vec<&str> =
                queries.flat_map(|query| query.metrics).map(|(column, _)| *column).collect();
            let all = columns.len();
            columns.sort_unstable();
            columns.dedup();
            assert_eq!(columns.len(), all, "{version}");
        }
    }
}
