//! Every SQL statement of the store, one a file, made for one schema.
//!
//! The text depends on the shape of a call only; values are always bound. `{schema}` stands for the quoted name
//! of the schema. Comment lines are for readers and are not sent.

pub(crate) mod group;
mod json_text;
pub(crate) mod keys;
pub(crate) mod migrate;
pub(crate) mod privileges;
mod probe;
pub(crate) mod process;
pub(crate) mod projection;
#[cfg(test)]
mod qualified;
pub(crate) mod recompute;
pub(crate) mod snapshot;
pub(crate) mod subscription;

pub(crate) use json_text::JsonText;
pub(crate) use probe::{Recheck, key_columns, sql_number};

use crate::schema::SchemaName;

/// The statements of one log.
#[derive(Debug)]
pub(crate) struct Statements {
    pub(crate) append: String,
    pub(crate) import: String,
    pub(crate) known: String,
    pub(crate) watch: String,
    direct: Directions,
    by_only_driver: Directions,
    by_cheapest_driver: Directions,
    by_scan: Directions,
    by_id: Directions,
}

#[derive(Debug)]
struct Directions {
    forwards: String,
    backwards: String,
}

/// What finds the positions of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finder {
    OnlyDriver,
    CheapestDriver,
    Scan,
    Id,
}

/// In which order positions are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Forwards,
    Backwards,
}

impl Statements {
    pub(crate) fn new(schema: &SchemaName) -> Self {
        let directions = |sql: &str| {
            // The schema last: its name may look like anything.
            let directed = |order: &str, last: &str, before: &str| {
                let sql =
                    sql.replace("{ascending}", order).replace("{last}", last).replace("{before}", before);
                for_schema(&sql, schema)
            };
            Directions { forwards: directed("ASC", "max", "<"), backwards: directed("DESC", "min", ">") }
        };
        let page = |hits: &str| {
            directions(&without_comments(include_str!("query/frame.sql")).replace("{hits}", hits.trim_end()))
        };
        let by_keys = |chosen: &str| {
            let chosen = without_comments(chosen);
            page(&without_comments(include_str!("query/probes.sql")).replace("{chosen}", chosen.trim_end()))
        };
        Self {
            append: for_schema(include_str!("append.sql"), schema),
            import: for_schema(include_str!("import.sql"), schema),
            known: for_schema(include_str!("known.sql"), schema),
            watch: for_schema(include_str!("watch.sql"), schema),
            direct: directions(&without_comments(include_str!("query/direct.sql"))),
            by_only_driver: by_keys(include_str!("query/only_driver.sql")),
            by_cheapest_driver: by_keys(include_str!("query/cheapest_driver.sql")),
            by_scan: page(&without_comments(include_str!("query/scan.sql"))),
            by_id: page(&without_comments(include_str!("query/by_id.sql"))),
        }
    }

    pub(crate) fn page(&self, finder: Finder, direction: Direction) -> &str {
        let directions = match finder {
            Finder::OnlyDriver => &self.by_only_driver,
            Finder::CheapestDriver => &self.by_cheapest_driver,
            Finder::Scan => &self.by_scan,
            Finder::Id => &self.by_id,
        };
        directions.of(direction)
    }

    /// One driver an item, and nothing to recheck but types. Its page says whether it is exact.
    pub(crate) fn direct(&self, direction: Direction) -> &str {
        self.direct.of(direction)
    }
}

impl Directions {
    fn of(&self, direction: Direction) -> &str {
        match direction {
            Direction::Forwards => &self.forwards,
            Direction::Backwards => &self.backwards,
        }
    }
}

/// A statement for one schema.
pub(crate) fn for_schema(sql: &str, schema: &SchemaName) -> String {
    without_comments(sql).replace("{schema}", &schema.to_string())
}

fn without_comments(sql: &str) -> String {
    let lines = sql.lines().map(str::trim).filter(|line| !line.starts_with("--"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// What each session is set to, where it is ours alone.
pub(crate) const SESSION: &str = include_str!("session.sql");

/// The search path that the role had before that, for one transaction.
pub(crate) const OWN_PATH: &str = include_str!("own_path.sql");

/// What a server is, and whether the log has been made there; names no schema in its text.
pub(crate) const SERVER_ROLE: &str = include_str!("server_role.sql");

/// The version of a log's schema.
pub(crate) const LOG_VERSION: &str = include_str!("log_version.sql");

/// What tells a log from others.
pub(crate) const LOG_IDENTITY: &str = include_str!("log_identity.sql");

/// Wakes whoever listens.
pub(crate) const NOTIFY: &str = include_str!("notify.sql");

/// How large a log is.
pub(crate) const STATS: &str = include_str!("stats.sql");
