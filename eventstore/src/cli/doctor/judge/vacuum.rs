//! Statistics and vacuum of the log's tables. Only a primary counts them.

use crate::doctor::finding::Finding;
use crate::doctor::judge::bytes;
use crate::doctor::look::{LiveTable, Log, Look};
use crate::tune::quoted;

/// So many times the threshold are too many: a run may be under way, or wait for the next nap.
const LATE: f64 = 4.0;
/// Below this many rows it does not matter.
const FEW: u64 = 10_000;
/// What a row takes at most: larger ones go to TOAST, which is not counted, and in a page that is filled to 60 % there are two.
const LARGEST: u64 = 5_000;

pub(super) fn judge(look: &Look) -> Vec<Finding> {
    let Some(log) = look.log.as_ref().filter(|_| !look.is_standby) else { return Vec::new() };
    log.tables.iter().flat_map(|table| of_table(look, log, table)).collect()
}

fn of_table(look: &Look, log: &Log, table: &LiveTable) -> Vec<Finding> {
    let full_name = format!("{}.{}", quoted(&log.schema), quoted(&table.name));
    let mut findings = Vec::new();
    if !table.is_analyzed && table.live.max(table.modified) > FEW {
        let what =
            format!("{} has some {} rows and was never analyzed", table.name, table.live.max(table.modified));
        let why = "the planner knows nothing of it, and guesses";
        findings.push(Finding::warning("statistics", what, why).mended_by(format!("ANALYZE {full_name};")));
    } else if is_late(table.modified, threshold(look, table, "analyze")) {
        let what = format!(
            "{} of some {} rows of {} changed since it was analyzed",
            table.modified,
            table.rows(),
            table.name
        );
        let why = "the planner's statistics are stale, and its plans with them";
        findings.push(Finding::warning("statistics", what, why).mended_by(format!("ANALYZE {full_name};")));
    }
    if is_late(table.dead, threshold(look, table, "vacuum")) {
        let what = format!("{} of {} is dead rows, beside {} live ones", table.dead, table.name, table.live);
        let why = "vacuum does not keep up, or something old keeps it from them (a transaction, a slot): \
            claims and reads pass over all of them";
        findings
            .push(Finding::warning("vacuum", what, why).mended_by(format!("VACUUM (VERBOSE) {full_name};")));
    }
    if is_late(table.inserted, threshold(look, table, "vacuum_insert")) {
        let what = format!("{} rows came into {} since its last vacuum", table.inserted, table.name);
        let why = "pages that are not marked all-visible make index-only scans read the table, and have to \
            be frozen later";
        findings.push(Finding::warning("vacuum", what, why).mended_by(format!("VACUUM {full_name};")));
    }
    let rows = (table.live + table.dead).max(table.rows());
    if is_work(&table.name) && table.is_counted && table.bytes > 100 << 20 && table.bytes > rows * LARGEST {
        let what = format!("{} takes {} for {rows} rows", table.name, bytes(table.bytes));
        let why = "pages that are empty are read by every scan, and vacuum takes them in";
        let mend = format!("VACUUM (FULL, ANALYZE) {full_name}; -- locks the table for seconds");
        findings.push(Finding::warning("bloat", what, why).mended_by(mend));
    }
    findings
}

/// What autovacuum waits for; infinite if it does not run for this.
fn threshold(look: &Look, table: &LiveTable, of: &str) -> f64 {
    let value = |name: &str| {
        let own = table.parameter(name).and_then(|value| value.parse::<f64>().ok());
        own.or_else(|| look.settings.number(name)).unwrap_or_default()
    };
    let base = value(&format!("autovacuum_{of}_threshold"));
    let rows = table.rows() as f64;
    base.max(0.0) + value(&format!("autovacuum_{of}_scale_factor")) * rows
}

fn is_late(rows: u64, threshold: f64) -> bool {
    let count = rows as f64;
    rows > FEW && count > threshold * LATE
}

fn is_work(table: &str) -> bool {
    matches!(
        table,
        "group_work"
            | "process_work"
            | "recompute_queue"
            | "subscriptions"
            | "consumer_groups"
            | "group_members"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::judge::tests::{look, with};
    use crate::doctor::look::Role;

    fn checks(table: LiveTable) -> Vec<&'static str> {
        let settings = [
            ("autovacuum_analyze_scale_factor", "0.1"),
            ("autovacuum_vacuum_scale_factor", "0.2"),
            ("autovacuum_vacuum_insert_scale_factor", "0.2"),
        ];
        let mut look = with(look(Role::Primary), &settings);
        look.log = Some(Log { schema: "library".into(), tables: vec![table], ..Log::default() });
        judge(&look).iter().map(|finding| finding.check).collect()
    }

    fn events() -> LiveTable {
        LiveTable {
            name: "events".into(),
            live: 1_000_000,
            is_counted: true,
            is_analyzed: true,
            ..LiveTable::default()
        }
    }

    #[test]
    fn stale_statistics_are_found_by_the_thresholds_of_table_and_server() {
        assert_eq!(checks(LiveTable { modified: 390_000, ..events() }), [] as [&str; 0]);
        assert_eq!(checks(LiveTable { modified: 410_000, ..events() }), ["statistics"]);
        let parameters = vec!["autovacuum_analyze_scale_factor=0.002".to_owned()];
        assert_eq!(checks(LiveTable { modified: 20_000, parameters, ..events() }), ["statistics"]);
        assert_eq!(checks(LiveTable { is_analyzed: false, ..events() }), ["statistics"]);
        assert_eq!(checks(LiveTable { is_analyzed: false, live: 9, ..events() }), [] as [&str; 0]);
    }

    #[test]
    fn vacuum_that_is_behind_and_empty_pages_are_found() {
        assert_eq!(checks(LiveTable { inserted: 900_000, ..events() }), ["vacuum"]);
        assert_eq!(checks(LiveTable { dead: 900_000, ..events() }), ["vacuum"]);
        let work = LiveTable { name: "group_work".into(), bytes: 200 << 20, live: 90, ..events() };
        assert_eq!(checks(work.clone()), ["bloat"]);
        let counted_by_vacuum = LiveTable { estimate: Some(900_000), ..work.clone() };
        assert_eq!(checks(counted_by_vacuum), [] as [&str; 0]);
        let after_a_crash = LiveTable { live: 0, is_counted: false, ..work };
        assert_eq!(checks(after_a_crash), [] as [&str; 0], "zero rows is what nobody counted");
        assert_eq!(checks(LiveTable { bytes: 200 << 30, ..events() }), [] as [&str; 0], "a log is large");
    }
}
