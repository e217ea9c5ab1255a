//! Process managers whose rows somebody else locks.

use std::time::Duration;

use eventstore::Profile;
use serde_json::json;
use tokio::time::timeout;
use tokio_postgres::Client;

use crate::fixture::Log;
use crate::process_manager_faults::gated;
use crate::process_script::{begin, manager, next, settled, step};
use crate::subscriptions::{LONG, log_with, soon};

const LEASE: Duration = Duration::from_secs(1);

/// Returns when there are so many pieces of work of that kind.
async fn until(log: &Log, sql: &Client, condition: &str, wanted: i64) {
    let count = format!("SELECT count(*) FROM {}.process_work WHERE {condition}", log.schema.name());
    let counting = async {
        while sql.query_one(&count, &[]).await.unwrap().get::<_, i64>(0) != wanted {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, counting).await.unwrap_or_else(|_| panic!("expected {wanted} where {condition}"));
}

/// Locks one piece of work, by hand, for as long as the session's transaction is open.
async fn lock(log: &Log, session: &Client, name: &str) {
    let lock = format!("SELECT FROM {}.process_work WHERE name = $1 FOR UPDATE", log.schema.name());
    session.batch_execute("BEGIN").await.unwrap();
    assert_eq!(session.query(&lock, &[&name]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_somebody_locks_is_said_when_it_is_free_and_the_others_go_on() {
    let log = log_with(soon()).await;
    let (script, mut handled, gate) = gated();
    let running = begin(&manager(&log.store, script).lease(LEASE));
    let (locking, sql) = (log.sql().await, log.sql().await);
    for (order, name) in ["Locked", "Free"].into_iter().enumerate() {
        step(&log.store, order as u64, 1, json!({"command": name})).await;
        assert_eq!(next(&mut handled).await.name, name);
    }
    lock(&log, &locking, "Locked").await;
    gate.add_permits(2);
    until(&log, &sql, "name <> 'Locked'", 0).await;
    // The lease that nobody can make last longer is over: that is of no account to others.
    until(&log, &sql, "name = 'Locked' AND leased_until < clock_timestamp()", 1).await;
    for order in 2..5 {
        step(&log.store, order, 1, json!({"command": "Late"})).await;
        assert_eq!(next(&mut handled).await.name, "Late");
        gate.add_permits(1);
        until(&log, &sql, "name <> 'Locked'", 0).await;
    }
    locking.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(settled(&log.store).await, 0);
    running.end().await;
    assert!(handled.try_recv().is_err(), "each was carried out once");
}

#[tokio::test]
async fn what_was_not_begun_and_is_locked_for_longer_than_its_lease_keeps_nothing_from_being_begun() {
    let log = log_with(soon()).await;
    let (script, mut handled, gate) = gated();
    let mut profile = Profile::balanced();
    (profile.dispatches, profile.poll_every) = (1, Duration::from_millis(50));
    let running = begin(&manager(&log.store, script).profile(profile).lease(LEASE));
    let (locking, sql) = (log.sql().await, log.sql().await);
    step(&log.store, 1, 1, json!({"command": "First"})).await;
    assert_eq!(next(&mut handled).await.name, "First");
    for (order, name) in [(2, "Locked"), (3, "Third")] {
        step(&log.store, order, 1, json!({"command": name})).await;
        until(&log, &sql, &format!("name = '{name}' AND lease IS NOT NULL"), 1).await;
    }
    lock(&log, &locking, "Locked").await;
    until(&log, &sql, "name = 'Locked' AND leased_until < clock_timestamp()", 1).await;
    gate.add_permits(1);
    assert_eq!(next(&mut handled).await.name, "Third", "nothing is begun whose lease is over");
    gate.add_permits(1);
    until(&log, &sql, "name <> 'Locked'", 0).await;
    locking.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(next(&mut handled).await.name, "Locked");
    gate.add_permits(1);
    assert_eq!(settled(&log.store).await, 0);
    running.end().await;
    assert!(handled.try_recv().is_err(), "it was carried out once");
}

#[tokio::test]
async fn the_end_waits_for_what_is_locked_no_longer_than_a_lease() {
    let log = log_with(soon()).await;
    let (script, mut handled, gate) = gated();
    let running = begin(&manager(&log.store, script).lease(LEASE));
    let locking = log.sql().await;
    step(&log.store, 1, 1, json!({"command": "Locked"})).await;
    next(&mut handled).await;
    lock(&log, &locking, "Locked").await;
    gate.add_permits(1);
    timeout(LONG, running.end()).await.expect("it ends");
    locking.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(log.store.processes().await.unwrap()[0].commands, 1, "others have it");
}
