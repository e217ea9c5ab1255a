//! Replication slots: they keep WAL for whoever does not come.

use crate::doctor::finding::{Finding, Severity};
use crate::doctor::judge::bytes;
use crate::doctor::look::{Look, Slot};

pub(super) fn judge(look: &Look) -> Vec<Finding> {
    let mut findings: Vec<_> = look.slots.iter().filter_map(|slot| of_slot(look, slot)).collect();
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
    let drop = format!("SELECT pg_drop_replication_slot('{}');", name.replace('\'', "''"));
    match slot.wal_status.as_str() {
        "lost" => {
            let what = format!("slot {name} has lost WAL that its replica still needs");
            let why =
                "it exceeded max_slot_wal_keep_size: the replica can not go on, and has to be made anew";
            return Some(Finding::error("slots", what, why).mended_by(drop));
        }
        "unreserved" => {
            let what = format!("slot {name} keeps {kept} of WAL, more than max_slot_wal_keep_size");
            let why = "the next checkpoint removes what its replica needs: it has to be made anew then";
            let mend = drop + " -- or start its replica";
            return Some(Finding::error("slots", what, why).mended_by(mend));
        }
        _ if slot.is_active => return None,
        _ => {}
    }
    let limit = look.settings.number("max_wal_size").filter(|size| *size > 0.0);
    let is_unlimited = look.settings.number("max_slot_wal_keep_size").is_none_or(|size| size < 0.0);
    let is_much = is_unlimited && limit.is_some_and(|limit| slot.kept_bytes as f64 > limit);
    let severity = if is_much { Severity::Error } else { Severity::Warning };
    let rows = if slot.holds_rows { ", and vacuum back from what became dead since" } else { "" };
    let what = format!("slot {name} is used by nobody and keeps {kept} of WAL");
    let why = format!("it keeps all WAL from there on{rows}");
    let mend = drop + " -- or start its replica";
    Some(Finding::new(severity, "slots", what, why).mended_by(mend))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::judge::tests::{look, with};
    use crate::doctor::look::Role;

    fn slot(is_active: bool, wal_status: &str, kept_bytes: u64) -> Slot {
        let (name, wal_status) = ("replica1".to_owned(), wal_status.to_owned());
        Slot { name, is_active, wal_status, kept_bytes, holds_rows: true }
    }

    fn severities(slot: Slot, keep: &str) -> Vec<Severity> {
        let settings = [("max_wal_size", "8GB"), ("max_slot_wal_keep_size", keep)];
        let mut look = with(look(Role::Primary), &settings);
        look.slots.push(slot);
        judge(&look).iter().map(|finding| finding.severity).collect()
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
    fn a_limit_is_missed_more_where_there_are_slots() {
        let unlimited =
            with(look(Role::Primary), &[("max_wal_size", "8GB"), ("max_slot_wal_keep_size", "-1")]);
        let found = judge(&unlimited);
        assert_eq!(found[0].severity, Severity::Note);
        assert!(found[0].mend.as_ref().unwrap().contains("16GB"), "{found:?}");
    }
}
