//! Consumer groups whose events are done in transactions of others, or locked by them.

use eventstore::{ErrorKind, Start};
use prometheus::Registry;
use serde_json::json;

use crate::fixture::Log;
use crate::groups::{group, next, number};
use crate::metrics::values;
use crate::process_script::{begin, manager, settled, telling};
use crate::subscriptions::{append, soon};

async fn counted(registry: &Registry) -> Log {
    Log::with(|builder| builder.settings(soon()).metrics(registry)).await
}

/// How many events of a group were claimed, were done, and were lost to others, by what the handle has counted.
fn counts(registry: &Registry, group: &str) -> [f64; 3] {
    let values = values(registry);
    let names = [
        format!("eventstore_group_claims_total{{group={group}}}"),
        format!("eventstore_group_outcomes_total{{group={group},outcome=done}}"),
        format!("eventstore_group_lease_losses_total{{group={group}}}"),
    ];
    names.map(|name| values.get(&name).copied().unwrap_or_default())
}

#[tokio::test]
async fn what_is_done_in_transactions_of_others_is_no_lost_lease_and_those_behind_it_go_on() {
    let registry = Registry::new();
    let log = counted(&registry).await;
    append(&log.store, 0..10).await;
    let worker = group(&log.store).exclusive().start(Start::Beginning).await.unwrap();
    let mut client = log.sql().await;
    for n in 0..10 {
        let delivery = next(&worker).await;
        assert_eq!((number(&delivery), delivery.attempt()), (n, 1));
        let transaction = client.transaction().await.unwrap();
        delivery.done_in(&transaction).await.unwrap();
        transaction.commit().await.unwrap();
        delivery.done().await.unwrap();
    }
    assert_eq!(counts(&registry, "g"), [10.0, 10.0, 0.0], "each was claimed once, and is done");
    worker.close().await;
}

#[tokio::test]
async fn reactions_of_a_process_are_no_lost_leases_and_those_behind_them_go_on() {
    let registry = Registry::new();
    let log = counted(&registry).await;
    let step =
        |n: u64| eventstore::NewEvent::new("Step", json!({"order": 1, "n": n, "do": {"command": "Carry"}}));
    log.store.append((0..10).map(step)).await.unwrap();
    let (script, _handled) = telling();
    let running = begin(&manager(&log.store, script));
    assert_eq!(settled(&log.store).await, 0);
    running.end().await;
    assert_eq!(counts(&registry, "process/script"), [10.0, 10.0, 0.0], "each was claimed once, and is done");
}

#[tokio::test]
async fn what_somebody_locks_can_not_be_said_and_is_no_lost_lease_and_the_others_are_done() {
    let registry = Registry::new();
    let log = counted(&registry).await;
    append(&log.store, 0..3).await;
    let worker = group(&log.store).start(Start::Beginning).await.unwrap();
    let [locked, second, third] = [next(&worker).await, next(&worker).await, next(&worker).await];
    let (mut locking, sql) = (log.sql().await, log.sql().await);
    let transaction = locking.transaction().await.unwrap();
    locked.done_in(&transaction).await.unwrap();
    // Before that is committed, and with others.
    let (said, second, third) = tokio::join!(locked.done(), second.done(), third.done());
    let error = said.unwrap_err();
    assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::Unavailable, Some("55P03")), "{error}");
    second.unwrap();
    third.unwrap();
    assert_eq!(counts(&registry, "g"), [3.0, 2.0, 0.0]);
    transaction.rollback().await.unwrap();
    let run_out = format!("UPDATE {}.group_work SET due_at = now()", log.schema.name());
    assert_eq!(sql.execute(&run_out, &[]).await.unwrap(), 1, "the others are done");
    let again = next(&worker).await;
    assert_eq!((again.position, again.attempt()), (locked.position, 2));
    again.done().await.unwrap();
}
