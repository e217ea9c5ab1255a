//! What can lose events, or refuses all of them.

use crate::doctor::finding::{Finding, Severity};
use crate::doctor::look::{LiveTable, Look, Override, Role};
use crate::tune::{SUPPORTED, quoted};

pub(super) fn judge(look: &Look) -> Vec<Finding> {
    let mut findings = durability(look);
    findings.extend(durability_of_roles(look));
    findings.extend(unlogged(look));
    findings.extend(rewind(look));
    findings.extend(isolation(look));
    findings.extend(version(look));
    findings.extend(rights(look));
    findings
}

fn durability(look: &Look) -> Vec<Finding> {
    let of_all = [
        (
            "fsync",
            "a crash of the system ruins the data: what was acknowledged is lost, and the rest may not be \
             readable",
        ),
        ("full_page_writes", "a page that was half written in a power cut can not be repaired"),
    ];
    let mut findings: Vec<_> = of_all
        .into_iter()
        .filter(|(name, _)| look.settings.is(name, "off"))
        .map(|(name, why)| off(look, name, why))
        .collect();
    if look.role == Role::Primary && look.settings.is("synchronous_commit", "off") {
        findings.push(off(
            look,
            "synchronous_commit",
            "appends are acknowledged before they are flushed: a crash loses the last ones, up to three \
             times wal_writer_delay, and replicas lag by it",
        ));
    }
    findings
}

/// Whoever connects so has no promise, whatever the server does.
fn durability_of_roles(look: &Look) -> impl Iterator<Item = Finding> {
    let is_off = |found: &&Override| found.name == "synchronous_commit" && found.is_off();
    look.overrides.iter().filter(is_off).map(|found| {
        let what = format!("synchronous_commit is off for {}", found.of_whom());
        let why = "its appends are acknowledged before they are flushed: a crash loses the last ones";
        Finding::error("durability", what, why).mended_by(found.reset())
    })
}

/// Whether an old primary could follow the new one after a failover.
fn rewind(look: &Look) -> Option<Finding> {
    let is_off = |name| look.settings.is(name, "off");
    if !(is_off("wal_log_hints") && is_off("data_checksums")) {
        return None;
    }
    let is_alone =
        !look.is_standby && look.slots.is_empty() && look.standbys.as_ref().is_none_or(Vec::is_empty);
    let severity = if is_alone { Severity::Note } else { Severity::Warning };
    let what = "wal_log_hints is off, and the data has no checksums";
    let why = "pg_rewind refuses such a server: an old primary has to be made anew after a failover, from a whole \
        base backup";
    Some(Finding::new(severity, "rewind", what, why).mended_by(look.settings.set("wal_log_hints", "on")))
}

/// A standby has its primary's.
fn unlogged(look: &Look) -> Vec<Finding> {
    let Some(log) = look.log.as_ref().filter(|_| !look.is_standby) else { return Vec::new() };
    let finding = |table: &LiveTable| {
        let what = format!("table {} is unlogged", table.name);
        let why = "a crash of the server empties it, and no replica and no base backup has what is in it";
        let mend = format!(
            "ALTER TABLE {}.{} SET LOGGED; -- writes it anew and locks it meanwhile",
            quoted(&log.schema),
            quoted(&table.name)
        );
        Finding::error("durability", what, why).mended_by(mend)
    };
    log.tables.iter().filter(|table| table.is_unlogged).map(finding).collect()
}

fn off(look: &Look, name: &'static str, why: &str) -> Finding {
    let place = look.settings.get(name).map(|setting| setting.place()).unwrap_or_default();
    Finding::error("durability", format!("{name} is off{place}"), why)
        .mended_by(look.settings.set(name, "on"))
}

fn isolation(look: &Look) -> Vec<Finding> {
    const NAME: &str = "default_transaction_isolation";
    const WHY: &str = "the append function refuses every call at another level than read committed: it must \
        see what was committed before \
                       it got the log's lock";
    let mut findings = Vec::new();
    if let Some(setting) = look.settings.get(NAME)
        && setting.is_set()
        && setting.value != "read committed"
    {
        let what = format!("{NAME} is {}{}", setting.value, setting.place());
        let mend = look.settings.set(NAME, "read committed");
        findings.push(Finding::error("isolation", what, WHY).mended_by(mend));
    }
    for found in &look.overrides {
        if found.name == NAME && !found.value.eq_ignore_ascii_case("read committed") {
            let what = format!("{NAME} is {} for {}", found.value, found.of_whom());
            findings.push(Finding::error("isolation", what, WHY).mended_by(found.reset()));
        }
    }
    findings
}

fn version(look: &Look) -> Option<Finding> {
    let (major, oldest, newest) = (look.major(), SUPPORTED.start(), SUPPORTED.end());
    if major < *oldest {
        let what = format!("PostgreSQL {major} is too old; expected {oldest} to {newest}");
        return Some(Finding::error("version", what, "the log is neither made for it nor tested with it"));
    }
    (major > *newest).then(|| {
        let what = format!("PostgreSQL {major} is newer than this program; it knows {oldest} to {newest}");
        Finding::note("version", what, "its settings and views may have changed")
    })
}

fn rights(look: &Look) -> Vec<Finding> {
    let grant = format!("GRANT pg_monitor TO {};", crate::tune::quoted(&look.user));
    let mut findings = Vec::new();
    if !look.monitors {
        let what = format!("role {} has not pg_monitor", look.user);
        let why =
            "the sessions of others, and where settings stand, are hidden from it: what follows is not all";
        findings.push(Finding::note("rights", what, why).mended_by(&grant));
    }
    findings.extend(look.refused.iter().map(|refused| unseen(look, refused)));
    findings
}

/// What the server did not tell, by its message: it may have been too busy, and of the log pg_monitor alone sees nothing.
fn unseen(look: &Look, refused: &str) -> Finding {
    let what = format!("not looked at: {refused}");
    if refused.contains(" timeout") {
        let why = "the server was too busy, or somebody holds a lock on it";
        return Finding::warning("rights", what, why).mended_by(
            "SELECT pid, pg_blocking_pids(pid), state, query FROM pg_stat_activity WHERE wait_event_type = 'Lock';",
        );
    }
    let why = "the server does not tell it to this role, or has it not in this version";
    let (schema, role) = (look.log.as_ref().map_or("NAME", |log| &log.schema), &look.user);
    let is_of_log = refused.starts_with("migrations:") || refused.starts_with("inline projections:");
    let mend = match (look.monitors, is_of_log) {
        (_, true) => format!("eventstore --schema {schema} roles grant reader {role}"),
        (false, false) => format!("GRANT pg_monitor TO {};", quoted(role)),
        (true, false) => return Finding::note("rights", what, why),
    };
    Finding::note("rights", what, why).mended_by(mend)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::judge::tests::{look, with};
    use crate::doctor::look::Log;

    #[test]
    fn what_loses_events_is_an_error() {
        let found = judge(&with(look(Role::Primary), &[("fsync", "off"), ("synchronous_commit", "off")]));
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|finding| finding.severity == Severity::Error));
        assert!(found[0].mend.as_ref().unwrap().contains("ALTER SYSTEM SET fsync = 'on'"));
        // A standby acknowledges nothing.
        assert!(judge(&with(look(Role::Replica), &[("synchronous_commit", "off")])).is_empty());
    }

    #[test]
    fn a_server_that_can_not_be_rewound_is_told_before_a_failover() {
        let found = |role, hints, checksums| {
            let settings = [("wal_log_hints", hints), ("data_checksums", checksums)];
            judge(&with(look(role), &settings)).first().map(|finding| finding.severity)
        };
        assert_eq!(found(Role::Replica, "off", "off"), Some(Severity::Warning));
        assert_eq!(found(Role::Primary, "off", "off"), Some(Severity::Note), "it has no standby");
        assert_eq!([found(Role::Replica, "on", "off"), found(Role::Replica, "off", "on")], [None, None]);
    }

    #[test]
    fn a_table_that_a_crash_empties_is_an_error() {
        let table =
            |name: &str, is_unlogged| LiveTable { name: name.into(), is_unlogged, ..LiveTable::default() };
        let tables = vec![table("keys", false), table("events", true)];
        let log = Some(Log { schema: "library".into(), tables, ..Log::default() });
        let found = judge(&Look { log: log.clone(), ..look(Role::Primary) });
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].mend.as_ref().unwrap().starts_with("ALTER TABLE \"library\".\"events\" SET LOGGED;")
        );
        assert!(judge(&Look { log, ..look(Role::Replica) }).is_empty(), "told once");
    }

    #[test]
    fn another_isolation_level_is_found_wherever_it_is_set() {
        let mut wrong = look(Role::Primary);
        wrong.overrides.push(Override {
            role: Some("app".into()),
            database: None,
            name: "default_transaction_isolation".into(),
            value: "serializable".into(),
        });
        wrong.overrides.push(Override {
            role: None,
            database: Some("library".into()),
            name: "synchronous_commit".into(),
            value: "FALSE".into(),
        });
        // As somebody typed it.
        wrong.overrides.push(Override {
            role: Some("other".into()),
            database: None,
            name: "default_transaction_isolation".into(),
            value: "READ COMMITTED".into(),
        });
        let mut found = judge(&wrong);
        let durability = found.remove(0);
        let mend = "ALTER DATABASE \"library\" RESET synchronous_commit;";
        assert_eq!((durability.check, durability.mend.as_deref()), ("durability", Some(mend)));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].mend.as_deref(), Some("ALTER ROLE \"app\" RESET default_transaction_isolation;"));
        assert!(found[0].what.contains("serializable for role app"), "{found:?}");
    }

    #[test]
    fn rights_and_versions_are_told() {
        let mut weak = look(Role::Primary);
        (weak.monitors, weak.version) = (false, 140_002);
        weak.refused.push("ages: permission denied".into());
        let checks: Vec<_> = judge(&weak).iter().map(|finding| (finding.check, finding.severity)).collect();
        assert_eq!(
            checks,
            [("version", Severity::Error), ("rights", Severity::Note), ("rights", Severity::Note)]
        );
        let mut monitor = look(Role::Primary);
        monitor.refused.push("migrations: permission denied for schema library".into());
        monitor.refused.push("tables: canceling statement due to lock timeout".into());
        let found = judge(&monitor);
        let mends: Vec<_> = found.iter().filter_map(|finding| finding.mend.as_deref()).collect();
        assert_eq!(mends[0], "eventstore --schema NAME roles grant reader monitor", "pg_monitor it has");
        assert!(mends[1].contains("pg_blocking_pids"), "{mends:?}");
    }
}
