//! Settings that are compared: pure, no IO.

use std::fmt;
use std::str::FromStr;

const PRIMARY: &str = include_str!("../../../tuning/primary.conf");
const REPLICA: &str = include_str!("../../../tuning/replica.conf");

/// Settings with which a comparison would be one of equals: a pair of servers on one machine is always set to these, or they are as by
/// default.
const WITHOUT_EFFECT: &[&str] = &[
    "max_connections",
    "max_wal_senders",
    "hot_standby",
    "wal_retrieve_retry_interval",
    "fsync",
    "full_page_writes",
    "synchronous_commit",
];

/// Some settings of `tuning/`, by their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change(Vec<String>);

/// What a pair of servers is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Variant {
    /// As PostgreSQL comes.
    Defaults,
    /// As `tuning/` has it.
    Tuned,
    /// As PostgreSQL comes, but for these.
    Only(Change),
    /// As `tuning/` has it, but for these.
    Without(Change),
}

impl Variant {
    /// As `tuning/` has it, but for what a standby of any other variant may not have less of than its primary had, and for what
    /// would leave gigabytes of WAL in each copy.
    pub(super) fn to_fill() -> Self {
        let left_out = ["max_worker_processes", "max_wal_size", "min_wal_size"];
        Self::Without(Change(left_out.map(str::to_owned).to_vec()))
    }

    pub(crate) fn name(&self) -> String {
        match self {
            Self::Defaults => "defaults".to_owned(),
            Self::Tuned => "tuned".to_owned(),
            Self::Only(change) => format!("only {change}"),
            Self::Without(change) => format!("without {change}"),
        }
    }

    /// Of `postgresql.conf`: of the primary, and of the replica.
    pub(super) fn texts(&self) -> (String, String) {
        let both = |keeps: &dyn Fn(&str) -> bool| (kept(PRIMARY, keeps), kept(REPLICA, keeps));
        match self {
            Self::Defaults => both(&|_| false),
            Self::Tuned => both(&|_| true),
            Self::Only(change) => both(&|name| change.has(name)),
            Self::Without(change) => both(&|name| !change.has(name)),
        }
    }
}

impl Change {
    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|has| has == name)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("+"))
    }
}

impl FromStr for Change {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names: Vec<String> = text.split('+').map(|name| name.trim().to_owned()).collect();
        let known = |name: &String| names_of(PRIMARY).chain(names_of(REPLICA)).any(|known| known == name);
        if let Some(name) = names.iter().find(|name| !known(name)) {
            return Err(format!("`{name}` is in none of tuning/primary.conf and tuning/replica.conf"));
        }
        match names.iter().find(|name| WITHOUT_EFFECT.contains(&name.as_str())) {
            Some(name) => {
                Err(format!("`{name}` is the same in every variant, so that there is nothing to compare"))
            }
            None => Ok(Self(names)),
        }
    }
}

fn names_of(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(name_of)
}

/// What a line of `postgresql.conf` sets.
fn name_of(line: &str) -> Option<&str> {
    let (name, _) = line.split('#').next()?.split_once('=')?;
    Some(name.trim())
}

fn kept(text: &str, keeps: &dyn Fn(&str) -> bool) -> String {
    let lines = text.lines().filter(|line| name_of(line).is_some_and(keeps));
    lines.flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_have_the_lines_they_are_named_for() {
        let all = names_of(PRIMARY).count();
        assert!(all > 10);
        let names = |variant: &Variant| {
            let (primary, replica) = variant.texts();
            (names_of(&primary).count(), names_of(&replica).map(str::to_owned).collect::<Vec<_>>())
        };
        let change: Change = "shared_buffers + max_wal_size".parse().unwrap();
        assert_eq!(names(&Variant::Defaults), (0, Vec::new()));
        assert_eq!(names(&Variant::Tuned).0, all);
        assert_eq!(names(&Variant::Only(change.clone())).0, 2);
        let (primary, replica) = names(&Variant::Without(change.clone()));
        assert!(primary == all - 2 && !replica.iter().any(|name| name == "shared_buffers"), "{replica:?}");
        assert_eq!(Variant::Without(change).name(), "without shared_buffers+max_wal_size");
        // Each copy would have the WAL files that are kept.
        assert!(!names_of(&Variant::to_fill().texts().0).any(|name| name.ends_with("_wal_size")));
    }

    #[test]
    fn what_can_not_be_compared_is_named() {
        let refused = "shared_buffers+shared_bufers".parse::<Change>().unwrap_err();
        assert!(refused.contains("`shared_bufers` is in none of"), "{refused}");
        let refused = "max_connections".parse::<Change>().unwrap_err();
        assert!(refused.contains("the same in every variant"), "{refused}");
    }
}
