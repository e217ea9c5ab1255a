//! A primary and its replicas, seen from both sides.

use crate::doctor::finding::{Finding, Severity};
use crate::doctor::judge::{bytes, seconds};
use crate::doctor::look::{LiveSetting, Look, Role};

/// A standby that has fewer of these does not start, or stops replaying.
const NOT_FEWER: [&str; 5] = [
    "max_connections",
    "max_worker_processes",
    "max_wal_senders",
    "max_prepared_transactions",
    "max_locks_per_transaction",
];

/// What counts from a promotion on.
const INERT: [&str; 3] = ["autovacuum", "vacuum_", "checkpoint_"];

/// What follows from processors and memory, in which servers may differ.
const OF_THE_MACHINE: [&str; 3] =
    ["autovacuum_max_workers", "autovacuum_worker_slots", "autovacuum_work_mem"];

/// A server by itself.
pub(super) fn judge(look: &Look) -> Vec<Finding> {
    let mut findings = Vec::new();
    match (look.role, look.is_standby) {
        (Role::Primary, true) => {
            let why = "it takes no appends: the servers were named the wrong way round, or their roles have \
                changed";
            findings.push(
                Finding::error("role", "it is a standby", why)
                    .mended_by("name the server as --primary that takes writes"),
            );
        }
        (Role::Replica, false) => {
            let why = "it does not follow anybody: what it has is another history, or will be";
            findings.push(
                Finding::error("role", "it is no standby", why)
                    .mended_by("make it anew from the primary: pg_basebackup --write-recovery-conf"),
            );
        }
        _ => {}
    }
    let Some(replay) = look.replay.as_ref().filter(|_| look.is_standby) else { return findings };
    if replay.is_paused {
        let why = "it shows older and older events, and its WAL piles up";
        findings.push(
            Finding::error("replication", "replay is paused", why)
                .mended_by("SELECT pg_wal_replay_resume();"),
        );
    }
    // Empty where its state is hidden from us: it is there.
    if !matches!(replay.receiver.as_deref(), Some("streaming" | "")) {
        let state = replay.receiver.as_deref().unwrap_or("nobody");
        let what = format!("it does not stream; its WAL receiver is: {state}");
        let why = "it stays where it is: reads that need newer events go to the primary";
        let mend = "look into its log: primary_conninfo, the slot, or WAL that the primary has no more";
        findings.push(Finding::error("replication", what, why).mended_by(mend));
    }
    findings.extend(inert(look));
    findings
}

/// Vacuum does not run during recovery.
fn inert(look: &Look) -> Option<Finding> {
    let names: Vec<_> = look
        .settings
        .0
        .iter()
        .filter(|(name, live)| name.starts_with("autovacuum") && live.is_set())
        .collect();
    let (_, first) = names.first()?;
    let list = names.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    let what = format!("without effect on a standby{}: {list}", first.place());
    let why = "autovacuum does not run during recovery: they neither help nor harm here, and count after a \
        promotion; so they should be those of the \
               primary";
    Some(Finding::note("inert", what, why))
}

/// A replica beside its primary. The primary was looked at first, so that what it had by then is there or missing.
pub(super) fn compare(primary: &Look, replica: &Look) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let (Some(own), Some(other)) = (&primary.system, &replica.system)
        && own != other
    {
        let what =
            format!("it belongs to another cluster: its system identifier is {other}, the primary's {own}");
        let why = "it follows another primary: its events are others";
        findings.push(Finding::error("role", what, why).mended_by("name the replicas of this primary"));
        return findings;
    }
    findings.extend(lag(primary, replica));
    findings.extend(fewer(primary, replica));
    findings.extend(parity(primary, replica));
    findings
}

fn lag(primary: &Look, replica: &Look) -> Option<Finding> {
    let behind = primary.wal_end?.saturating_sub(replica.wal_end?);
    let since = replica.replay.as_ref()?.seconds.unwrap_or_default();
    let (is_far, is_old) = (behind > 64 << 20, behind > 1 << 20 && since > 10.0);
    if !is_far && !is_old {
        return None;
    }
    let severity = if behind > 1 << 30 { Severity::Error } else { Severity::Warning };
    let what = format!(
        "it is {} of WAL behind; the last transaction it has replayed is {} old",
        bytes(behind),
        seconds(since)
    );
    let why = "readers get old events, and those with a token wait or go to the primary; replay is one \
        process: it is slow where pages are not in memory";
    let mend = "look for long queries that replay waits for (max_standby_streaming_delay), a slow disk, or \
        too little shared_buffers";
    Some(Finding::new(severity, "lag", what, why).mended_by(mend))
}

fn fewer(primary: &Look, replica: &Look) -> Vec<Finding> {
    let finding = |name: &&str| {
        let (of_primary, of_replica) = (primary.settings.number(name)?, replica.settings.number(name)?);
        (of_replica < of_primary).then(|| {
            let what = format!("{name} is {of_replica}, less than the primary's {of_primary}");
            let why = "replay stops at the next change of it, and the standby does not start again";
            Finding::error("replication", what, why)
                .mended_by(replica.settings.set(name, &of_primary.to_string()))
        })
    };
    NOT_FEWER.iter().filter_map(finding).collect()
}

/// What would change with a promotion.
fn parity(primary: &Look, replica: &Look) -> Option<Finding> {
    let differs = |(name, live): &(&String, &LiveSetting)| {
        INERT.iter().any(|prefix| name.starts_with(prefix))
            && !OF_THE_MACHINE.contains(&name.as_str())
            && primary
                .settings
                .get(name)
                .is_some_and(|other| other.number() != live.number() || other.value != live.value)
    };
    let list: Vec<_> = replica
        .settings
        .0
        .iter()
        .filter(differs)
        .map(|(name, live)| format!("{name} = {} (primary: {})", live.shown, primary.settings.shown(name)))
        .collect();
    if list.is_empty() {
        return None;
    }
    let what =
        format!("after a promotion vacuum and checkpoints would be set otherwise: {}", list.join(", "));
    let why = "without effect on a standby, they count at once when it takes over; then nobody has time to \
        look at them";
    Some(
        Finding::warning("promotion", what, why)
            .mended_by("give both servers the same lines: eventstore tune --server replica"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::judge::tests::{look, with};
    use crate::doctor::look::Replay;

    fn streaming(settings: &[(&str, &str)]) -> Look {
        let replay = Replay { receiver: Some("streaming".into()), is_paused: false, seconds: Some(60.0) };
        Look { replay: Some(replay), wal_end: Some(10 << 30), ..with(look(Role::Replica), settings) }
    }

    fn checks(findings: &[Finding]) -> Vec<&'static str> {
        findings.iter().map(|finding| finding.check).collect()
    }

    #[test]
    fn a_replica_that_follows_is_content_and_one_that_does_not_is_told() {
        assert_eq!(judge(&streaming(&[])), []);
        let mut silent = streaming(&[]);
        silent.replay = Some(Replay { receiver: None, is_paused: true, seconds: None });
        assert_eq!(checks(&judge(&silent)), ["replication", "replication"]);
        let wrong = Look { is_standby: true, ..look(Role::Primary) };
        assert_eq!(checks(&judge(&wrong)), ["role"]);
        assert_eq!(checks(&judge(&Look { is_standby: false, ..look(Role::Replica) })), ["role"]);
    }

    #[test]
    fn a_larger_replica_may_have_what_follows_from_its_size() {
        let lines = |workers| [("autovacuum_max_workers", workers), ("autovacuum_naptime", "20")];
        let primary = with(look(Role::Primary), &lines("3"));
        assert_eq!(compare(&primary, &streaming(&lines("8"))), []);
    }

    #[test]
    fn lag_counts_where_something_is_missing() {
        let severity = |end: u64| {
            let primary = Look { wal_end: Some(end), ..look(Role::Primary) };
            compare(&primary, &streaming(&[])).first().map(|finding| finding.severity)
        };
        assert_eq!(severity(10 << 30), None, "an old transaction is the last one of a quiet log");
        assert_eq!(severity((10 << 30) + (2 << 20)), Some(Severity::Warning));
        assert_eq!(severity(12 << 30), Some(Severity::Error));
    }

    #[test]
    fn a_standby_is_compared_with_its_primary() {
        let primary = with(
            look(Role::Primary),
            &[("max_connections", "200"), ("autovacuum_vacuum_scale_factor", "0.8")],
        );
        let lines = [("max_connections", "100"), ("autovacuum_vacuum_scale_factor", "0.1")];
        let replica = streaming(&lines);
        assert_eq!(checks(&compare(&primary, &replica)), ["replication", "promotion"]);
        let inert = judge(&replica);
        assert_eq!((checks(&inert), inert[0].severity), (vec!["inert"], Severity::Note));
        let (one, other) = (Some("1".to_owned()), Some("2".to_owned()));
        let stranger = Look { system: other, ..replica };
        assert_eq!(checks(&compare(&Look { system: one, ..primary }, &stranger)), ["role"]);
    }
}
