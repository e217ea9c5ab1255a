//! Process managers when somebody dies, fails, or loses the connection.

use std::future::IntoFuture as _;
use std::sync::Arc;
use std::time::Duration;

use eventstore::{Command, ErrorKind, NewEvent, ProcessError, Profile, Progress};
use futures_util::future::BoxFuture;
use prometheus::Registry;
use serde_json::json;
use testutil::proxy::{DropWhen, Proxy, Toward};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use crate::fixture;
use crate::process_script::{Script, begin, manager, next, settled, step, telling};
use crate::subscriptions::{LONG, log_with, soon};

/// Tells of each command, and does not end before it may.
pub(crate) fn gated() -> (Script, mpsc::UnboundedReceiver<Command>, Arc<Semaphore>) {
    let (told, handled) = mpsc::unbounded_channel();
    let gate = Arc::new(Semaphore::new(0));
    let may_end = Arc::clone(&gate);
    let handle = move |command: Command| -> BoxFuture<'static, Result<Progress, ProcessError>> {
        told.send(command).unwrap();
        let may_end = Arc::clone(&may_end);
        Box::pin(async move {
            may_end.acquire().await.unwrap().forget();
            Ok(Progress::done())
        })
    };
    (Script { handle: Box::new(handle), ..Script::default() }, handled, gate)
}

/// How much work a store's managers hold.
fn in_flight(registry: &Registry) -> f64 {
    let families = registry.gather();
    let held = families.iter().filter(|family| family.name() == "eventstore_process_in_flight");
    held.flat_map(|family| family.get_metric()).map(|metric| metric.get_gauge().get_value()).sum()
}

#[tokio::test]
async fn what_was_carried_out_by_one_who_dies_before_saying_so_is_carried_out_again_with_the_same_id() {
    let log = log_with(soon()).await;
    let (script, mut handled, _gate) = gated();
    let dying = begin(&manager(&log.store, script).lease(Duration::from_millis(300)));
    step(&log.store, 1, 1, json!({"command": "Pay"})).await;
    let first = next(&mut handled).await;
    dying.kill().await;
    let (script, mut handled) = telling();
    let heir = begin(&manager(&log.handle().await, script).lease(Duration::from_millis(300)));
    let again = next(&mut handled).await;
    assert_eq!((again.id, again.attempt), (first.id, 2));
    assert_eq!(settled(&log.store).await, 0);
    heir.end().await;
    assert!(handled.try_recv().is_err(), "once is enough");
}

#[tokio::test]
async fn what_kills_whoever_has_it_is_parked() {
    let log = log_with(soon()).await;
    step(&log.store, 1, 1, json!({"command": "Poison"})).await;
    for attempt in 1..=3 {
        let (script, mut handled, _gate) = gated();
        let dying = begin(&manager(&log.store, script).lease(Duration::from_millis(100)));
        assert_eq!(next(&mut handled).await.attempt, attempt);
        dying.kill().await;
    }
    let (script, mut handled) = telling();
    let heir = begin(&manager(&log.store, script).lease(Duration::from_millis(100)));
    assert_eq!(settled(&log.store).await, 1);
    let parked = log.store.parked_work("script", 1).await.unwrap();
    assert!(parked[0].failure.contains("nobody said what came of it"), "{parked:?}");
    heir.end().await;
    assert!(handled.try_recv().is_err());
}

#[tokio::test]
async fn the_end_waits_for_what_is_under_way_and_hands_back_the_rest() {
    let log = log_with(soon()).await;
    let (script, mut handled, gate) = gated();
    let manager = manager(&log.store, script);
    let running = begin(&manager);
    let events = (0..30).map(|n| NewEvent::new("Step", json!({"order": n, "n": n, "do": {"command": "Go"}})));
    log.store.append(events).await.unwrap();
    for _ in 0..10 {
        next(&mut handled).await;
    }
    let end = tokio::spawn(running.end());
    // Those that nobody has begun are free for others at once, while the first ten are still at it.
    timeout(LONG, async {
        while log.store.processes().await.unwrap().first().is_none_or(|it| it.leased != 10) {}
    })
    .await
    .unwrap();
    assert!(!end.is_finished());
    gate.add_permits(10);
    timeout(LONG, end).await.unwrap().unwrap();
    let left = log.store.processes().await.unwrap();
    let parked_events = log.store.group_status("process/script").await.unwrap().unwrap();
    let left_events = parked_events.ready + parked_events.waiting;
    assert_eq!(
        (left.first().map_or(0, |it| it.commands) + left_events, left.first().map_or(0, |it| it.leased)),
        (20, 0)
    );
    assert!(handled.try_recv().is_err(), "nothing is begun any more");
}

#[tokio::test]
async fn an_outage_longer_than_a_lease_has_nothing_begun_or_carried_out_twice() {
    let log = log_with(soon()).await;
    let proxy = Proxy::before(log.schema.primary()).await.unwrap();
    let mut settings = soon();
    settings.query_timeout = Duration::from_millis(500);
    let registry = Registry::new();
    let cut_off = fixture::store().primary(proxy.dsn()).schema(log.schema.name()).settings(settings);
    let store = cut_off.metrics(&registry).connect().await.unwrap();
    let (script, mut handled, gate) = gated();
    let mut profile = Profile::balanced();
    profile.dispatches = 2;
    // So long that no machine is too busy to make it last longer.
    let lease = Duration::from_secs(2);
    let running = begin(&manager(&store, script).profile(profile).lease(lease));
    for order in 0..4 {
        step(&log.store, order, 1, json!({"command": "Go"})).await;
    }
    let begun = [next(&mut handled).await, next(&mut handled).await];
    // All four are held here: an answer that the outage swallowed would be one of an attempt that nobody made. Then nothing is heard
    // of the primary until the leases are over.
    timeout(LONG, async {
        while in_flight(&registry) != 4.0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    let sql = log.sql().await;
    let count = |condition: &str| {
        format!("SELECT count(*) FROM {}.process_work WHERE {condition}", log.schema.name())
    };
    let until = async |condition: &str, wanted: i64| {
        while sql.query_one(&count(condition), &[]).await.unwrap().get::<_, i64>(0) != wanted {}
    };
    proxy.stall(Toward::Both);
    timeout(LONG, until("leased_until < clock_timestamp()", 4)).await.unwrap();
    gate.add_permits(1);
    // A hand is free, and what waits for it may be somebody else's by now.
    let begun_late = timeout(lease / 8, handled.recv()).await;
    assert!(begun_late.is_err(), "{begun_late:?} was begun, and its lease is over");
    proxy.resume();
    proxy.cut();
    gate.add_permits(3);
    let others = [next(&mut handled).await, next(&mut handled).await];
    assert_eq!(settled(&log.store).await, 0);
    running.end().await;
    let mut ids: Vec<_> = begun.iter().chain(&others).map(|command| (command.id, command.attempt)).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), handled.try_recv().is_err()), (4, true), "each was carried out once");
    assert!(ids.iter().all(|(_, attempt)| *attempt == 1), "{ids:?}");
}

#[tokio::test]
async fn it_ends_with_its_store() {
    let log = log_with(soon()).await;
    let other = log.handle().await;
    let running = tokio::spawn(manager(&other, telling().0).run().into_future());
    timeout(LONG, async { while log.store.group_status("process/script").await.unwrap().is_none() {} })
        .await
        .unwrap();
    other.close().await.unwrap();
    let error = timeout(LONG, running).await.expect("it goes on").unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
}

#[tokio::test]
async fn leases_last_as_long_as_the_work() {
    let log = log_with(soon()).await;
    let (script, mut handled, gate) = gated();
    let short = Duration::from_millis(150);
    let working = begin(&manager(&log.store, script).lease(short));
    step(&log.store, 1, 1, json!({"command": "Long"})).await;
    let first = next(&mut handled).await;
    let sql = log.sql().await;
    let until = format!("SELECT leased_until FROM {}.process_work", log.schema.name());
    let leased_until = async || sql.query_one(&until, &[]).await.unwrap().get::<_, time::OffsetDateTime>(0);
    let begun = leased_until().await;
    // Somebody else is there who would have it.
    let (script, mut others) = telling();
    let other = begin(&manager(&log.handle().await, script).lease(short));
    timeout(LONG, async { while leased_until().await < begun + 4 * short {} }).await.unwrap();
    gate.add_permits(1);
    assert_eq!(settled(&log.store).await, 0);
    assert_eq!(first.attempt, 1);
    working.end().await;
    other.end().await;
    assert!(handled.try_recv().is_err() && others.try_recv().is_err(), "carried out once");
}

#[tokio::test]
async fn answers_and_reactions_whose_answer_is_lost_count_once() {
    let log = log_with(soon()).await;
    let proxy = Proxy::before(log.schema.primary()).await.unwrap();
    let store = fixture::store().primary(proxy.dsn()).schema(log.schema.name()).connect().await.unwrap();
    let (script, mut handled) = telling();
    // What is claimed without an answer is claimed again when its lease has run out.
    let running = begin(&manager(&store, script).lease(Duration::from_millis(300)));
    for (n, statement) in
        ["react_process_v1", "settle_process_work_v1", "claim_process_work_v1"].iter().enumerate()
    {
        let dropped = proxy.drop_next_answer(statement, DropWhen::WithTheAnswer);
        let dropped = async { timeout(LONG, dropped).await.expect("it is called") };
        let (dropped, ()) = tokio::join!(dropped, step(&log.store, 1, n as u64, json!({"command": "Go"})));
        assert!(dropped);
        let command = next(&mut handled).await;
        assert_eq!(command.payload["seen"].as_array().unwrap().len(), n + 1);
    }
    assert_eq!(settled(&log.store).await, 0);
    running.end().await;
    assert!(handled.try_recv().is_err(), "each was carried out once");
}

#[tokio::test]
async fn an_event_that_can_not_be_reacted_to_holds_up_its_instance_alone() {
    let log = log_with(soon()).await;
    let (script, mut handled) = telling();
    let running = begin(&manager(&log.store, script));
    step(&log.store, 1, 1, json!({"fail": true})).await;
    step(&log.store, 1, 2, json!({"command": "Behind"})).await;
    log.store
        .append([NewEvent::new("Step", json!({"n": 1, "order": [], "do": {"command": "Nobody's"}}))])
        .await
        .unwrap();
    step(&log.store, 2, 1, json!({"command": "Other"})).await;
    assert_eq!(next(&mut handled).await.name, "Other");
    timeout(LONG, async { while log.store.parked_events("process/script").await.unwrap().len() < 2 {} })
        .await
        .unwrap();
    let parked = log.store.parked_events("process/script").await.unwrap();
    assert_eq!((parked[0].failure.as_str(), parked[0].waiting), ("it is not to be reacted to", 1));
    assert!(parked[1].failure.contains("no string, integer or boolean at \"order\""), "{parked:?}");
    running.end().await;
    assert!(handled.try_recv().is_err());
}

#[tokio::test]
async fn an_answer_that_can_not_be_kept_fails_its_command_alone() {
    let log = log_with(soon()).await;
    let handle = |command: Command| -> BoxFuture<'static, Result<Progress, ProcessError>> {
        Box::pin(async move {
            Ok(match command.name.as_str() {
                "Bad" => Progress::started("a\0b"),
                // Longer than can be stored, and than anybody waits.
                "Long" => Progress::started("x").check_after(Duration::MAX).time_out_after(Duration::MAX),
                _ => Progress::done(),
            })
        })
    };
    let running = begin(&manager(&log.store, Script { handle: Box::new(handle), ..Script::default() }));
    for (order, name) in ["Bad", "Long", "Fine"].iter().enumerate() {
        step(&log.store, order as u64, 1, json!({"command": name})).await;
    }
    timeout(LONG, async {
        while log
            .store
            .processes()
            .await
            .unwrap()
            .first()
            .is_none_or(|it| (it.commands, it.parked, it.started) != (0, 1, 1))
        {}
    })
    .await
    .unwrap();
    let parked = log.store.parked_work("script", 10).await.unwrap();
    assert!(parked[0].name == "Bad" && parked[0].failure.contains("NUL character"), "{parked:?}");
    running.end().await;
}
