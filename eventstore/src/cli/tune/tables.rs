//! Storage parameters of a log's tables.

/// A table of a log, and what it is set to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) parameters: &'static [(&'static str, &'static str)],
    pub(crate) reason: &'static str,
}

/// Rows that change all the time: nothing is won by freezing them early, and no vacuum of theirs should rest or truncate.
const CHANGING: &[(&str, &str)] = &[
    ("autovacuum_vacuum_cost_delay", "0"),
    ("autovacuum_freeze_min_age", "50000000"),
    ("vacuum_truncate", "off"),
];

const WORK: &str = "Rows come, are changed in place and go. What the migrations say of fillfactor and \
    thresholds stays; besides, a vacuum\n\
                    -- of a few pages does not rest, leaves unfrozen what changes again, and does not give its empty pages back: for that it would\n\
                    -- lock out everybody, on replicas too, and the pages are filled again within seconds.";

const HEARTBEATS: &str = "A few rows that are changed every second, in place.";

/// In the order in which they are printed.
pub(crate) const TABLES: &[Table] = &[
    Table {
        name: "events",
        parameters: &[
            ("autovacuum_vacuum_insert_scale_factor", "0"),
            ("autovacuum_vacuum_insert_threshold", "100000"),
            ("autovacuum_freeze_min_age", "0"),
            ("autovacuum_analyze_scale_factor", "0.02"),
            ("autovacuum_analyze_threshold", "50000"),
        ],
        reason: "Insert only. Vacuumed after each 100,000 events however many there are: 2 % of a hundred \
            million would be two million. A\n\
                 -- vacuum reads new pages only, so it costs the same in a large log. Statistics: after 50,000 events and 2 %, as ANALYZE reads\n\
                 -- 30,000 pages each time.",
    },
    Table {
        name: "keys",
        parameters: &[
            ("autovacuum_vacuum_insert_scale_factor", "0"),
            ("autovacuum_vacuum_insert_threshold", "500000"),
            ("autovacuum_freeze_min_age", "0"),
            ("autovacuum_analyze_scale_factor", "0.02"),
            ("autovacuum_analyze_threshold", "250000"),
        ],
        reason: "Insert only, some five rows an event: at the same pace as the events.",
    },
    Table { name: "group_work", parameters: CHANGING, reason: WORK },
    Table { name: "process_work", parameters: CHANGING, reason: "As group_work." },
    Table { name: "recompute_queue", parameters: CHANGING, reason: "As group_work." },
    Table { name: "subscriptions", parameters: CHANGING, reason: HEARTBEATS },
    Table { name: "consumer_groups", parameters: CHANGING, reason: HEARTBEATS },
    Table { name: "group_members", parameters: CHANGING, reason: HEARTBEATS },
    Table {
        name: "snapshots",
        parameters: &[("autovacuum_vacuum_scale_factor", "0.05"), ("autovacuum_freeze_min_age", "50000000")],
        reason: "A state that is saved anew leaves the old one behind, mostly in TOAST, which has the same \
            parameters.",
    },
];

/// A script for psql that sets them in a schema. No statement in it waits for appends, or has them wait.
pub(crate) fn script(schema: &str) -> String {
    let mut script = String::from(
        "BEGIN;\n-- Behind a vacuum that goes on; autovacuum gives way.\nSET LOCAL lock_timeout = '10s';\n",
    );
    for table in TABLES {
        let parameters: Vec<_> =
            table.parameters.iter().map(|(name, value)| format!("    {name} = {value}")).collect();
        let (name, parameters) = (format!("{}.{}", quoted(schema), table.name), parameters.join(",\n"));
        script += &match table.name {
            PARTITIONED => format!("\n-- {}\n{}", table.reason, of_parts(&name, &parameters)),
            _ => format!("\n-- {}\nALTER TABLE {name} SET (\n{parameters}\n);\n", table.reason),
        };
    }
    script + "\nCOMMIT;\n"
}

/// What an operator may have partitioned.
const PARTITIONED: &str = "keys";

/// PostgreSQL takes storage parameters for what holds rows: the parts of a table, or the table itself where it has none.
fn of_parts(table: &str, parameters: &str) -> String {
    let name = table.replace('\'', "''");
    format!(
        "-- Each part of it, where it is partitioned.\n\
         DO $parts$\n\
         DECLARE\n    \
             part regclass;\n\
         BEGIN\n    \
             FOR part IN\n        \
                 SELECT coalesce(p.relid, t.oid) FROM (SELECT '{name}'::regclass) AS t (oid)\n        \
                 LEFT JOIN pg_catalog.pg_partition_tree(t.oid) AS p ON p.isleaf\n    \
             LOOP\n        \
                 EXECUTE pg_catalog.format('ALTER TABLE %s SET (\n{parameters}\n)', part);\n    \
             END LOOP;\n\
         END\n\
         $parts$;\n"
    )
}

/// As an identifier of SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
