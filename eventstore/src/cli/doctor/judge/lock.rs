//! Who holds the lock of a log and does nothing with it.

use crate::doctor::finding::Finding;
use crate::doctor::judge::seconds;
use crate::doctor::look::{LockHolder, Look};

/// Locks are the primary's.
pub(super) fn judge(look: &Look) -> Vec<Finding> {
    look.log.iter().flat_map(|log| &log.lock_holders).map(of_holder).collect()
}

fn of_holder(holder: &LockHolder) -> Finding {
    let LockHolder { pid, application, .. } = holder;
    let how = match holder.is_in_transaction {
        true => "in a transaction",
        false => "in no transaction: it took it for its session",
    };
    let what = format!(
        "process {pid} ({application}) holds the lock of the log and has done nothing for {}, {how}",
        seconds(holder.seconds)
    );
    let why = "all appends and migrations wait for it, and fail when their time is over; the store itself never keeps it";
    Finding::error("log", what, why).mended_by(format!("SELECT pg_catalog.pg_terminate_backend({pid});"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::judge::tests::look;
    use crate::doctor::look::{Log, Role};

    #[test]
    fn who_keeps_the_lock_of_the_log_is_told() {
        let holder = |is_in_transaction| LockHolder {
            pid: 7,
            application: "psql".into(),
            is_in_transaction,
            seconds: 9.0,
        };
        let lock_holders = vec![holder(false), holder(true)];
        let found = judge(&Look { log: Some(Log { lock_holders, ..Log::default() }), ..look(Role::Primary) });
        assert!(found[0].what.contains("process 7 (psql)") && found[0].what.contains("no transaction"));
        assert!(found[1].what.ends_with("9.0 s, in a transaction"), "{found:?}");
        assert_eq!(found[0].mend.as_deref(), Some("SELECT pg_catalog.pg_terminate_backend(7);"));
    }
}
