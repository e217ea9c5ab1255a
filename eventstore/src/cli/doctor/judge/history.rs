//! What the server's counters tell: the distance to a wraparound, checkpoints, the cache.

use crate::doctor::finding::{Finding, Severity};
use crate::doctor::judge::ratio;
use crate::doctor::look::Look;

/// The server warns below 40 million, and stops at 3.
const WRAPAROUND: u64 = 2_147_483_648;
/// Counters of a server that has just started say nothing.
const CHECKPOINTS: u64 = 10;
const BLOCKS: u64 = 1_000_000;

pub(super) fn judge(look: &Look) -> Vec<Finding> {
    if look.is_standby {
        return cache(look).into_iter().collect();
    }
    let mut findings = wraparound(look);
    findings.extend(checkpoints(look));
    findings.extend(cache(look));
    findings
}

fn wraparound(look: &Look) -> Vec<Finding> {
    let Some(age) = &look.age else { return Vec::new() };
    let of = [
        ("transactions", age.transactions, "autovacuum_freeze_max_age", 200e6),
        ("multixacts", age.multixacts, "autovacuum_multixact_freeze_max_age", 400e6),
    ];
    let finding = |(kind, oldest, setting, default): (&str, u64, &str, f64)| {
        let beyond = oldest as f64 / look.settings.number(setting).unwrap_or(default);
        let severity = match oldest {
            1_000_000_000.. => Severity::Error,
            _ if beyond > 1.5 => Severity::Warning,
            _ => return None,
        };
        let what = format!(
            "the oldest row of database {} is {oldest} {kind} old, {:.0} % of the way to where writes are \
             refused; autovacuum begins at {}",
            age.database,
            ratio(oldest, WRAPAROUND) * 100.0,
            look.settings.shown(setting)
        );
        let why = "vacuum does not come to its end: it is held up by an old transaction or slot, is too \
            slow, or is off";
        let mend = format!(
            "end old transactions and slots, then in database {}: VACUUM (FREEZE, VERBOSE);",
            age.database
        );
        Some(Finding::new(severity, "wraparound", what, why).mended_by(mend))
    };
    of.into_iter().filter_map(finding).collect()
}

fn checkpoints(look: &Look) -> Option<Finding> {
    let counted = look.checkpoints?;
    if counted.timed + counted.requested < CHECKPOINTS || counted.requested <= counted.timed {
        return None;
    }
    let what = format!(
        "{} of {} checkpoints were asked for and not due; max_wal_size is {}",
        counted.requested,
        counted.timed + counted.requested,
        look.settings.shown("max_wal_size")
    );
    let why = "the WAL reaches max_wal_size before checkpoint_timeout: pages are written whole more often, \
        and the disk has peaks";
    let doubled = look.settings.number("max_wal_size").unwrap_or_default() * 2.0 / f64::from(1 << 20);
    let mend = look.settings.set("max_wal_size", &format!("{doubled:.0}MB"));
    Some(Finding::warning("checkpoints", what, why).mended_by(mend))
}

fn cache(look: &Look) -> Option<Finding> {
    let load = look.load?;
    let (blocks, share) = (load.hit + load.read, ratio(load.hit, load.hit + load.read));
    if blocks < BLOCKS || share >= 0.99 {
        return None;
    }
    let severity = if share < 0.9 { Severity::Warning } else { Severity::Note };
    let what = format!(
        "{:.1} % of {blocks} blocks were in shared_buffers ({})",
        share * 100.0,
        look.settings.shown("shared_buffers")
    );
    let why = "the others came from the system's cache, or from the disk; below 99 % what is read all the \
        time does not fit";
    Some(
        Finding::new(severity, "cache", what, why)
            .mended_by("more memory, and a quarter of it for shared_buffers"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::judge::tests::{look, with};
    use crate::doctor::look::{Age, Checkpoints, Load, Role};

    #[test]
    fn a_wraparound_is_told_long_before_it_comes() {
        let severities = |transactions, multixacts| -> Vec<_> {
            let age = Age { database: "library".into(), transactions, multixacts };
            let look = with(look(Role::Primary), &[("autovacuum_freeze_max_age", "200000000")]);
            judge(&Look { age: Some(age), ..look }).iter().map(|finding| finding.severity).collect()
        };
        assert_eq!(severities(210_000_000, 0), []);
        assert_eq!(severities(310_000_000, 0), [Severity::Warning]);
        assert_eq!(severities(1_100_000_000, 1_200_000_000), [Severity::Error, Severity::Error]);
    }

    #[test]
    fn checkpoints_should_be_due_and_blocks_cached() {
        let look = with(look(Role::Primary), &[("max_wal_size", "1GB")]);
        let checks = |timed, requested, hit, read| -> Vec<_> {
            let checkpoints = Some(Checkpoints { timed, requested });
            let load = Some(Load { hit, read, seconds: 60.0, is_dated: true });
            judge(&Look { checkpoints, load, ..look.clone() }).iter().map(|finding| finding.check).collect()
        };
        assert_eq!(checks(1, 4, 10, 90), [] as [&str; 0], "too few to tell");
        assert_eq!(checks(20, 19, 9_950_000, 50_000), [] as [&str; 0]);
        assert_eq!(checks(2, 19, 9_000_000, 2_000_000), ["checkpoints", "cache"]);
    }
}
