//! Connections, and transactions that nobody ends.

use crate::doctor::finding::{Finding, Severity};
use crate::doctor::judge::{ratio, seconds};
use crate::doctor::look::{Look, Transaction};

/// A transaction of the store takes milliseconds; a backup or a report some minutes.
const LONG: f64 = 300.0;
/// Between two statements a client thinks for a moment.
const FORGOTTEN: f64 = 60.0;

pub(super) fn judge(look: &Look) -> Vec<Finding> {
    let mut findings: Vec<_> = connections(look).into_iter().collect();
    findings.extend(look.transactions.iter().filter_map(of_transaction));
    if !look.is_standby {
        findings.extend(look.prepared.iter().map(|prepared| {
            let gid = prepared.gid.replace('\'', "''");
            let what = format!("prepared transaction {} is {} old", prepared.gid, seconds(prepared.seconds));
            let why = "it keeps its locks, and vacuum from whatever became dead since, also when its client \
                is long gone";
            Finding::warning("transactions", what, why).mended_by(format!(
                "ROLLBACK PREPARED '{gid}'; -- or \
                COMMIT PREPARED"
            ))
        }));
    }
    findings
}

fn connections(look: &Look) -> Option<Finding> {
    let all = look.settings.number("max_connections")?;
    // Ordinary roles are refused before these are used; the second one is there from 16 on.
    let reserved = ["superuser_reserved_connections", "reserved_connections"];
    let reserved: f64 = reserved.iter().filter_map(|name| look.settings.number(name)).sum();
    let most = (all - reserved).max(1.0) as u64;
    let share = ratio(look.clients, most);
    let severity = match share {
        _ if share > 0.95 => Severity::Error,
        _ if share > 0.8 => Severity::Warning,
        _ => return None,
    };
    let what = format!(
        "{} of {most} connections that are not reserved are in use ({:.0} %)",
        look.clients,
        share * 100.0
    );
    let why = "the next ones are refused, and the store waits for them in vain";
    let mend = "fewer handles, a lower Settings::pool_size or a pooler in transaction mode; or a higher \
        max_connections, on standbys first";
    Some(Finding::new(severity, "connections", what, why).mended_by(mend))
}

fn of_transaction(transaction: &Transaction) -> Option<Finding> {
    let is_idle =
        transaction.state.starts_with("idle in transaction") && transaction.in_state_seconds > FORGOTTEN;
    if !is_idle && transaction.seconds < LONG {
        return None;
    }
    let Transaction { pid, application, state, .. } = transaction;
    let what = match is_idle {
        true => format!(
            "process {pid} ({application}) is {state} for {}; its transaction is {} old",
            seconds(transaction.in_state_seconds),
            seconds(transaction.seconds)
        ),
        false => format!(
            "the transaction of process {pid} ({application}) is {} old",
            seconds(transaction.seconds)
        ),
    };
    let why = "vacuum keeps whatever became dead since it began: work tables grow, and claiming from them \
        becomes slow";
    // One that works may be a backup or a report: to end it is for whoever knows it.
    Some(match is_idle {
        true => Finding::warning("transactions", what, why)
            .mended_by(format!("SELECT pg_terminate_backend({pid});")),
        false => Finding::note("transactions", what, why).mended_by(format!(
            "SELECT query FROM pg_stat_activity WHERE pid = {pid}; -- and ask whose it is"
        )),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::judge::tests::{look, with};
    use crate::doctor::look::{Prepared, Role};

    #[test]
    fn connections_are_told_before_they_are_used_up() {
        let severity = |clients| {
            let look = Look { clients, ..with(look(Role::Primary), &[("max_connections", "100")]) };
            judge(&look).first().map(|finding| finding.severity)
        };
        assert_eq!(
            [severity(80), severity(81), severity(96)],
            [None, Some(Severity::Warning), Some(Severity::Error)]
        );
        let reserved = [
            ("max_connections", "20"),
            ("superuser_reserved_connections", "3"),
            ("reserved_connections", "2"),
        ];
        let found = judge(&Look { clients: 14, ..with(look(Role::Primary), &reserved) });
        assert!(found[0].what.starts_with("14 of 15 connections"), "{found:?}");
    }

    #[test]
    fn transactions_are_found_that_are_long_idle_or_prepared() {
        let transaction = |state: &str, seconds| Transaction {
            pid: 7,
            application: "app".into(),
            state: state.into(),
            seconds,
            in_state_seconds: seconds,
        };
        let mut busy = look(Role::Primary);
        busy.transactions = vec![transaction("active", 100.0), transaction("idle in transaction", 100.0)];
        busy.transactions.push(transaction("active", 400.0));
        // Long, and alive.
        busy.transactions
            .push(Transaction { in_state_seconds: 1.0, ..transaction("idle in transaction", 400.0) });
        busy.prepared = vec![Prepared { gid: "it's".into(), seconds: 90.0 }];
        let found = judge(&busy);
        let severities: Vec<_> = found.iter().map(|finding| finding.severity).collect();
        let (note, warning) = (Severity::Note, Severity::Warning);
        assert_eq!(severities, [warning, note, note, warning]);
        let mends: Vec<_> = found.into_iter().filter_map(|finding| finding.mend).collect();
        assert_eq!(mends[0], "SELECT pg_terminate_backend(7);");
        assert!(mends[1..3].iter().all(|mend| !mend.contains("terminate")), "{mends:?}");
        assert!(mends[3].starts_with("ROLLBACK PREPARED 'it''s';"), "{mends:?}");
    }
}
