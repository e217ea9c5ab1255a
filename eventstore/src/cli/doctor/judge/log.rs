//! The log's own objects: its version, its indexes, its triggers.

use crate::doctor::finding::Finding;
use crate::doctor::judge::expected::{INDEXES, Index};
use crate::doctor::look::{Log, Look};
use crate::tune::quoted;

/// A standby has its primary's; they are told once.
pub(super) fn judge(look: &Look) -> Vec<Finding> {
    if look.is_standby {
        return Vec::new();
    }
    let Some(log) = &look.log else {
        if !look.is_log_known {
            return Vec::new();
        }
        let what = "there is no log in this schema";
        let why = "it was never migrated, or the schema or the database is another one";
        return vec![Finding::error("log", what, why).mended_by("eventstore --schema NAME migrate up")];
    };
    let mut findings = version(log);
    findings.extend(missing_indexes(log));
    findings.extend(invalid_indexes(log));
    findings.extend(triggers(log));
    findings
}

fn version(log: &Log) -> Vec<Finding> {
    let Some(migrations) = &log.migrations else { return Vec::new() };
    let mut findings = Vec::new();
    if !migrations.missing.is_empty() {
        let what = format!("schema {} lacks the migrations {:?}", log.schema, migrations.missing);
        let why = "what they add can not be used; the library migrates a log when it is told to";
        let mend = format!("eventstore --schema {} migrate up", log.schema);
        findings.push(Finding::warning("log", what, why).mended_by(mend));
    }
    if !migrations.unknown.is_empty() {
        let what = format!(
            "schema {} has migrations that this program does not know: {:?}",
            log.schema, migrations.unknown
        );
        let why = "a newer one applied them; what they add is not looked at";
        findings.push(Finding::note("log", what, why).mended_by("a newer eventstore"));
    }
    findings
}

/// Of the tables that are there: an older log has not all.
fn missing_indexes(log: &Log) -> impl Iterator<Item = Finding> {
    let has_table = |index: &&Index| log.tables.iter().any(|table| table.name == index.table);
    let is_missing = |index: &&Index| {
        log.indexes.as_ref().is_some_and(|indexes| !indexes.iter().any(|live| live.name == index.name))
    };
    INDEXES.iter().filter(has_table).filter(is_missing).map(|index| {
        let (kind, why) = match index.is_unique {
            true => (
                "unique index",
                "what must be there once can be there twice, and every look for it reads the whole table",
            ),
            false => ("index", "the statements that need it read the whole table"),
        };
        let what = format!("{kind} {} of {} is missing", index.name, index.table);
        let unique = if index.is_unique { "UNIQUE " } else { "" };
        let mend = format!(
            "CREATE {unique}INDEX CONCURRENTLY {} ON {}.{} {};",
            index.name,
            quoted(&log.schema),
            index.table,
            index.on
        );
        Finding::error("indexes", what, why).mended_by(mend)
    })
}

fn invalid_indexes(log: &Log) -> impl Iterator<Item = Finding> {
    log.indexes.iter().flatten().filter(|index| !index.is_valid).map(|index| {
        if index.is_building {
            let what = format!("index {} of {} is not valid yet", index.name, index.table);
            let why = "an index of this table is being built: look again when that is done";
            return Finding::note("indexes", what, why)
                .mended_by("SELECT * FROM pg_stat_progress_create_index;");
        }
        let what = format!("index {} of {} is not valid", index.name, index.table);
        let why = "building it was broken off: it is written with every event, and no query uses it";
        let (schema, name) = (quoted(&log.schema), quoted(&index.name));
        let mend = match is_leftover(&index.name) {
            true => format!("DROP INDEX CONCURRENTLY {schema}.{name};"),
            false => format!("REINDEX INDEX CONCURRENTLY {schema}.{name};"),
        };
        Finding::error("indexes", what, why).mended_by(mend)
    })
}

/// What a REINDEX CONCURRENTLY leaves behind when it is broken off, beside the index itself: `_ccnew`, `_ccold`, and a number if there are several.
fn is_leftover(name: &str) -> bool {
    let name = name.trim_end_matches(|char: char| char.is_ascii_digit());
    name.ends_with("_ccnew") || name.ends_with("_ccold")
}

fn triggers(log: &Log) -> impl Iterator<Item = Finding> {
    log.silent_triggers.iter().map(|trigger| {
        let (name, schema) = (quoted(&trigger.name), quoted(&log.schema));
        let table = format!("{schema}.{}", quoted(&trigger.table));
        let (does, why) = match (trigger.is_missing, trigger.is_evaded) {
            (true, _) => ("is missing", "events can be changed by mistake, without an error"),
            (_, true) => (
                "does not fire for everyone",
                "subscribers of logical replication and tools that set session_replication_role = replica pass it by",
            ),
            _ => ("does not fire", "what it guards or calls is left out with every change, without an error"),
        };
        let what = format!("trigger {} of {} {does}", trigger.name, trigger.table);
        let make = match trigger.name.as_str() {
            _ if !trigger.is_missing => String::new(),
            "refuse_change" => format!(
                "DROP TRIGGER IF EXISTS {name} ON {table}; CREATE TRIGGER {name} BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} FOR EACH \
                 STATEMENT EXECUTE FUNCTION {schema}.refuse_change_v1(); "
            ),
            _ => format!(
                "DROP TRIGGER IF EXISTS {name} ON {table}; CREATE TRIGGER {name} BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE \
                 FUNCTION {schema}.refuse_change_v1(); "
            ),
        };
        let mend = format!("{make}ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name};");
        Finding::error("triggers", what, why).mended_by(mend)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity;
    use crate::doctor::judge::tests::look;
    use crate::doctor::look::{LiveIndex, LiveTable, Migrations, Role, SilentTrigger};

    fn with(log: Log) -> Vec<Finding> {
        judge(&Look { log: Some(log), ..look(Role::Primary) })
    }

    fn events(indexes: &[(&str, bool)]) -> Log {
        let tables = vec![LiveTable { name: "events".into(), ..LiveTable::default() }];
        let index = |(name, is_valid): &(&str, bool)| LiveIndex {
            name: (*name).into(),
            table: "events".into(),
            is_valid: *is_valid,
            is_building: false,
        };
        Log {
            schema: "library".into(),
            tables,
            indexes: Some(indexes.iter().map(index).collect()),
            ..Log::default()
        }
    }

    #[test]
    fn indexes_are_missed_and_broken_ones_found() {
        assert_eq!(with(events(&[("events_pkey", true), ("events_id_key", true)])), []);
        let found = with(events(&[("events_pkey", false)]));
        let mends: Vec<_> = found.iter().filter_map(|finding| finding.mend.as_deref()).collect();
        let expected = [
            "CREATE UNIQUE INDEX CONCURRENTLY events_id_key ON \"library\".events (id);",
            "REINDEX INDEX CONCURRENTLY \"library\".\"events_pkey\";",
        ];
        assert_eq!(mends, expected);
    }

    #[test]
    fn what_a_reindex_leaves_is_dropped_and_one_that_goes_on_is_let_be() {
        let mut log =
            events(&[("events_pkey", true), ("events_id_key", true), ("events_pkey_ccnew1", false)]);
        let found = with(log.clone());
        let mend = "DROP INDEX CONCURRENTLY \"library\".\"events_pkey_ccnew1\";";
        assert_eq!((found.len(), found[0].mend.as_deref()), (1, Some(mend)));
        log.indexes.as_mut().unwrap()[2].is_building = true;
        let found = with(log.clone());
        assert_eq!((found.len(), found[0].severity), (1, Severity::Note));
        log.indexes = None;
        assert_eq!(with(log), [], "what is not told is not missing");
    }

    #[test]
    fn a_log_that_is_not_there_old_or_without_its_triggers_is_told() {
        assert_eq!(judge(&look(Role::Primary))[0].check, "log");
        assert!(judge(&Look { is_log_known: false, ..look(Role::Primary) }).is_empty(), "it was not told");
        assert!(judge(&look(Role::Replica)).is_empty());
        let whole = || events(&[("events_pkey", true), ("events_id_key", true)]);
        let migrations = Some(Migrations { missing: vec![8, 9], unknown: vec![] });
        assert!(with(Log { migrations, ..whole() })[0].what.contains("[8, 9]"));
        let silent_triggers =
            vec![SilentTrigger { name: "guard".into(), table: "events".into(), ..SilentTrigger::default() }];
        let found = with(Log { silent_triggers, ..whole() });
        let mend = "ALTER TABLE \"library\".\"events\" ENABLE ALWAYS TRIGGER \"guard\";";
        assert_eq!(found[0].mend.as_deref(), Some(mend));
    }
}
