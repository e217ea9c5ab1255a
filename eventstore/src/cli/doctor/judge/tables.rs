//! Whether the storage parameters of `tune --server tables` are there.

use crate::doctor::finding::Finding;
use crate::doctor::look::Look;
use crate::tune::{TABLES, Table};

/// A standby has its primary's.
pub(super) fn judge(look: &Look) -> Option<Finding> {
    let log = look.log.as_ref().filter(|_| !look.is_standby)?;
    // Any value will do: an operator may know better.
    let lacks = |table: &Table| {
        let live = log.tables.iter().find(|live| live.name == table.name);
        live.is_some_and(|live| table.parameters.iter().any(|(name, _)| live.parameter(name).is_none()))
    };
    let lacking: Vec<_> = TABLES.iter().filter(|table| lacks(table)).map(|table| table.name).collect();
    if lacking.is_empty() {
        return None;
    }
    let what = format!("storage parameters are missing for {}", lacking.join(", "));
    let why = "the scale factors of the server are too lazy for a large log: 2 % of a hundred million \
        events are two million";
    let mend = format!("eventstore tune --server tables --schema {} | psql -v ON_ERROR_STOP=1", log.schema);
    Some(Finding::warning("tables", what, why).mended_by(mend))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::judge::tests::look;
    use crate::doctor::look::{LiveTable, Log, Role};

    #[test]
    fn tables_without_their_parameters_are_named() {
        let live = |name: &str, parameters: Vec<String>| LiveTable {
            name: name.into(),
            parameters,
            ..LiveTable::default()
        };
        let with = |tables| {
            let log = Some(Log { schema: "library".into(), tables, ..Log::default() });
            judge(&Look { log, ..look(Role::Primary) })
        };
        let set = |name: &str| {
            let table = TABLES.iter().find(|table| table.name == name).unwrap();
            table.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
        };
        assert_eq!(with(vec![live("events", set("events")), live("of_others", vec![])]), None);
        let found =
            with(vec![live("events", set("events")), live("keys", vec![]), live("group_work", vec![])])
                .unwrap();
        assert!(found.what.ends_with("for keys, group_work"), "{found:?}");
    }
}
