//! Replication slots: they keep WAL for whoever does not come.

use crate::doctor::finding::{Finding, Severity};
use crate::doctor::judge::{bytes, seconds};
use crate::doctor::look::{Look, Slot};

/// A replica that restarts is back within minutes, one that is made anew within hours.
const LONG: f64 = 86_400.0;

pub(super) fn judge(look: &Look) -> Vec<Finding> {
    // A copy of a primary's slot is used by nobody before a promotion.
    let own = look.slots.iter().filter(|slot| !slot.is_synced);
    let mut findings: Vec<_> = own.filter_map(|slot| of_slot(look, slot)).collect();
    let is_unlimited = look.settings.number("max_slot_wal_keep_size").is_some_and(|size| size < 0.0);
    if is_unlimited && !look.is_standby {
        let severity = if look.slots.is_empty() { Severity::Note } else { Severity::Warning };
        let what = format!(
            "max_slot_wal_keep_size is not set, and there are {} replication slots",
            look.slots.len()
        );
        let why = "a slot whose replica is gone keeps WAL until the disk is full and the primary stops";
        let wanted = look.settings.number("max_wal_size").unwrap_or_default() * 2.0 / f64::from(1 << 30);
        let mend = look.settings.set("max_slot_wal_keep_size", &format!("{:.0}GB", wanted.max(8.0)));
        findings.push(Finding::new(severity, "slots", what, why).mended_by(mend));
    }
    findings
}

fn of_slot(look: &Look, slot: &Slot) -> Option<Finding> {
    let (name, kept) = (&slot.name, bytes(slot.kept_bytes));
    let drop = format!("SELECT pg_catalog.pg_drop_replication_slot('{}');", name.replace('\'', "''"));
    match slot.wal_status.as_str() {
        "lost" => {
            let what = format!("slot {name} was given up by the server");
            return Some(Finding::error("slots", what, lost(&slot.invalidation)).mended_by(drop));
        }
        "unreserved" => {
            let what = format!("slot {name} keeps {kept} of WAL, more than max_slot_wal_keep_size");
            let why = "the next checkpoint removes what its replica needs: it has to be made anew then";
            return Some(Finding::error("slots", what, why).mended_by(or_drop(&drop)));
        }
        _ if slot.is_active => return None,
        _ => {}
    }
    let limit = look.settings.number("max_wal_size").filter(|size| *size > 0.0);
    let is_unlimited = look.settings.number("max_slot_wal_keep_size").is_none_or(|size| size < 0.0);
    let is_much = limit.is_some_and(|limit| slot.kept_bytes as f64 > limit);
    let is_long = slot.unused_seconds.is_some_and(|count| count > LONG);
    let severity = match () {
        () if is_much && is_unlimited => Severity::Error,
        // Made there by somebody for the time after a promotion, perhaps.
        () if look.is_standby => Severity::Note,
        () => Severity::Warning,
    };
    let rows = if slot.holds_rows { ", and vacuum back from what became dead since" } else { "" };
    let since = slot.unused_seconds.map(|count| format!(" for {}", seconds(count))).unwrap_or_default();
    let what = format!("slot {name} is used by nobody{since} and keeps {kept} of WAL");
    let why = format!("it keeps all WAL from there on{rows}");
    let mend = if is_much || is_long { or_drop(&drop) } else { "start its replica".to_owned() };
    Some(Finding::new(severity, "slots", what, why).mended_by(mend))
}

fn or_drop(drop: &str) -> String {
    format!("start its replica; if it will not come back: {drop}")
}

/// From 17 on the server says why; before there is one reason.
fn lost(invalidation: &str) -> &'static str {
    match invalidation {
        "rows_removed" => "rows that its consumer has to see were removed by vacuum: it has to begin anew",
        "wal_level_insufficient" => {
            "wal_level is too low for logical decoding: its consumer has to begin anew"
        }
        "idle_timeout" => {
            "it was unused for longer than idle_replication_slot_timeout: its replica goes on with a new slot \
             if the WAL is still there, and has to be made anew if not"
        }
        _ => "it exceeded max_slot_wal_keep_size: its replica can not go on, and has to be made anew",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::judge::tests::{look, with};
    use crate::doctor::look::Role;

    fn slot(is_active: bool, wal_status: &str, kept_bytes: u64) -> Slot {
        let (name, wal_status) = ("replica1".to_owned(), wal_status.to_owned());
        Slot { name, is_active, wal_status, kept_bytes, holds_rows: true, ..Slot::default() }
    }

    fn of(role: Role, slot: Slot, keep: &str) -> Vec<Finding> {
        let settings = [("max_wal_size", "8GB"), ("max_slot_wal_keep_size", keep)];
        let mut look = with(look(role), &settings);
        look.slots.push(slot);
        judge(&look)
    }

    fn severities(slot: Slot, keep: &str) -> Vec<Severity> {
        of(Role::Primary, slot, keep).iter().map(|finding| finding.severity).collect()
    }

    #[test]
    fn slots_are_found_that_nobody_uses_or_that_were_lost() {
        assert_eq!(severities(slot(true, "reserved", 1 << 20), "16GB"), []);
        assert_eq!(severities(slot(false, "reserved", 1 << 20), "16GB"), [Severity::Warning]);
        assert_eq!(severities(slot(false, "extended", 9 << 30), "-1"), [Severity::Error, Severity::Warning]);
        assert_eq!(severities(slot(true, "unreserved", 17 << 30), "16GB"), [Severity::Error]);
        assert_eq!(severities(slot(false, "lost", 0), "16GB"), [Severity::Error]);
    }

    #[test]
    fn a_slot_is_dropped_only_where_much_is_kept_or_for_long() {
        let drops = |slot: Slot| {
            let mend = of(Role::Primary, slot, "16GB").remove(0).mend.unwrap();
            assert!(mend.starts_with("start its replica"), "{mend}");
            mend.contains("pg_drop_replication_slot('replica1')")
        };
        let unused = |count| Slot { unused_seconds: Some(count), ..slot(false, "reserved", 1 << 20) };
        assert!(!drops(slot(false, "reserved", 1 << 20)) && !drops(unused(600.0)));
        assert!(drops(slot(false, "extended", 9 << 30)) && drops(unused(100_000.0)));
    }

    #[test]
    fn slots_of_a_standby_wait_for_a_promotion() {
        let synced = Slot { is_synced: true, ..slot(false, "reserved", 1 << 20) };
        assert_eq!(of(Role::Replica, synced, "16GB"), []);
        let made = of(Role::Replica, slot(false, "reserved", 1 << 20), "16GB");
        assert_eq!(made[0].severity, Severity::Note);
    }

    #[test]
    fn why_a_slot_was_lost_is_what_the_server_says() {
        let why = |invalidation: &str| {
            let slot = Slot { invalidation: invalidation.into(), ..slot(false, "lost", 0) };
            of(Role::Primary, slot, "16GB").remove(0).why
        };
        assert!(why("idle_timeout").contains("idle_replication_slot_timeout"));
        assert!(why("").contains("max_slot_wal_keep_size") && why("wal_removed") == why(""));
    }

    #[test]
    fn a_limit_is_missed_more_where_there_are_slots() {
        let unlimited =
            with(look(Role::Primary), &[("max_wal_size", "8GB"), ("max_slot_wal_keep_size", "-1")]);
        let found = judge(&unlimited);
        assert_eq!(found[0].severity, Severity::Note);
        assert!(found[0].mend.as_ref().unwrap().contains("16GB"), "{found:?}");
    }
}
