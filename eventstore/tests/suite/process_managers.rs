//! What process managers promise: what follows from an event is written once, and carried out until it is done.

use std::collections::BTreeMap;
use std::future::IntoFuture as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventstore::{
    Command, ErrorKind, NewEvent, ProcessError, ProcessManager, Profile, Progress, Reaction, Start,
};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::process_script::{Script, begin, log, manager, next, settled, step, telling};
use crate::subscriptions::LONG;

#[tokio::test]
async fn each_event_is_followed_once_in_order_and_with_the_state_of_its_time() {
    let log = log().await;
    let (script, mut handled) = telling();
    let (other_script, mut others) = telling();
    let (one, two) = (manager(&log.store, script), manager(&log.handle().await, other_script));
    let running = [begin(&one), begin(&two)];
    for n in 1..=10 {
        for order in 0..10 {
            step(&log.store, order, n, json!({"command": "Go"})).await;
        }
    }
    let mut seen = BTreeMap::new();
    for _ in 0..100 {
        let command = timeout(LONG, async {
            tokio::select! {
                Some(command) = handled.recv() => command,
                Some(command) = others.recv() => command,
            }
        });
        let command = command.await.expect("nothing was carried out");
        assert_eq!((command.attempt, command.name.as_str()), (1, "Go"));
        let event = log.store.event_at(command.cause).await.unwrap().unwrap();
        let up_to: Vec<u64> = (1..=event.payload["n"].as_u64().unwrap()).collect();
        assert_eq!(command.payload["seen"], json!(up_to), "neither more nor less than it had then");
        assert_eq!(command.key, event.payload["order"]);
        *seen.entry(command.cause).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), 100, "each once");
    assert_eq!(settled(&log.store).await, 0);
    for one in running {
        one.end().await;
    }
    assert!(handled.try_recv().is_err() && others.try_recv().is_err(), "and nothing else");
}

#[tokio::test]
async fn a_command_that_fails_is_tried_again_and_parked_in_the_end() {
    let log = log().await;
    let tries = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&tries);
    let handle = move |command: Command| -> BoxFuture<'static, Result<Progress, ProcessError>> {
        noted.lock().unwrap().push((command.name.clone(), command.attempt, command.id));
        Box::pin(async move {
            match (command.name.as_str(), command.attempt) {
                ("Flaky", 1) => Err("not now\0".into()),
                ("Panics", _) => panic!("it is a bad day"),
                ("Slow", _) => std::future::pending().await,
                ("Hopeless", _) => Ok(Progress::failed("there is no such book")),
                _ => Ok(Progress::done()),
            }
        })
    };
    let script = Script { handle: Box::new(handle), ..Script::default() };
    let manager = manager(&log.store, script).time_limit(Duration::from_millis(500));
    let running = begin(&manager);
    for (order, name) in ["Flaky", "Panics", "Slow", "Hopeless", "Fine"].iter().enumerate() {
        step(&log.store, order as u64, 1, json!({"command": name})).await;
    }
    assert_eq!(settled(&log.store).await, 3);
    let count = |name: &str| tries.lock().unwrap().iter().filter(|(tried, ..)| tried == name).count();
    assert_eq!(["Flaky", "Panics", "Slow", "Hopeless", "Fine"].map(count), [2, 3, 3, 1, 1]);
    let parked = log.store.parked_work("script", 10).await.unwrap();
    let mut failures: Vec<_> = parked
        .iter()
        .map(|work| (work.name.as_str(), work.kind, work.attempts, work.failure.as_str()))
        .collect();
    failures.sort_unstable();
    assert_eq!(
        failures,
        [
            ("Hopeless", "command", 1, "there is no such book"),
            ("Panics", "command", 3, "it panicked: it is a bad day"),
            ("Slow", "command", 3, "it took longer than 500ms"),
        ]
    );
    // The same id at each attempt; and again when it is done anew.
    let id = parked.iter().find(|work| work.name == "Panics").unwrap().id;
    assert_eq!(log.store.replay_parked_work("script", &[id]).await.unwrap(), 1);
    assert_eq!(settled(&log.store).await, 3);
    let ids = tries
        .lock()
        .unwrap()
        .iter()
        .filter(|(name, ..)| name == "Panics")
        .map(|(.., id)| *id)
        .collect::<Vec<_>>();
    assert_eq!(ids, [id; 6]);
    let all: Vec<_> = parked.iter().map(|work| work.id).collect();
    assert_eq!(log.store.drop_parked_work("script", &all).await.unwrap(), 3);
    assert_eq!(settled(&log.store).await, 0);
    assert_eq!(log.store.drop_parked_work("script", &all).await.unwrap(), 0);
    running.end().await;
}

#[tokio::test]
async fn a_process_may_react_to_what_has_failed() {
    let log = log().await;
    let (told, mut handled) = mpsc::unbounded_channel();
    let handle = move |command: Command| -> BoxFuture<'static, Result<Progress, ProcessError>> {
        told.send(command.clone()).unwrap();
        let ends =
            if command.name == "Undo" { Ok(Progress::done()) } else { Ok(Progress::failed("no money")) };
        Box::pin(async { ends })
    };
    let script = Script { handle: Box::new(handle), fails_with: Some("Undo"), ..Script::default() };
    let running = begin(&manager(&log.store, script));
    step(&log.store, 1, 1, json!({"command": "Pay"})).await;
    assert_eq!(next(&mut handled).await.name, "Pay");
    let undo = next(&mut handled).await;
    assert_eq!(undo.payload, json!({"seen": [1], "of": "Pay", "why": "no money"}));
    assert_eq!(settled(&log.store).await, 0, "nothing is parked");
    running.end().await;
}

#[tokio::test]
async fn what_was_started_is_asked_after_until_it_is_done_has_failed_or_is_late() {
    let log = log().await;
    let handle = |command: Command| -> BoxFuture<'static, Result<Progress, ProcessError>> {
        let limit = if command.name == "Late" { Duration::from_millis(30) } else { Duration::from_secs(600) };
        let started = Progress::started(json!({"job": command.name}));
        Box::pin(async move { Ok(started.check_after(Duration::from_millis(1)).time_out_after(limit)) })
    };
    let asked = Arc::new(Mutex::new(BTreeMap::new()));
    let noted = Arc::clone(&asked);
    let check = move |command: Command| -> BoxFuture<'static, Result<Progress, ProcessError>> {
        // The reference comes in its place.
        let job = command.payload["job"].as_str().unwrap().to_owned();
        assert_eq!(job, command.name);
        let mut asked = noted.lock().unwrap();
        let times: &mut u32 = asked.entry(job.clone()).or_default();
        *times += 1;
        let answer = match (job.as_str(), *times) {
            ("Done", 4) => Ok(Progress::done()),
            ("Fails", 3) => Ok(Progress::failed("the other side gave up")),
            // Answers between errors count: it does not fail for five of them in all.
            ("Shaky", 10) => Ok(Progress::done()),
            ("Shaky", times) if times % 2 == 1 => Err("no answer".into()),
            _ => Ok(Progress::running()),
        };
        Box::pin(async { answer })
    };
    let script = Script { handle: Box::new(handle), check: Box::new(check), ..Script::default() };
    let running = begin(&manager(&log.store, script));
    for (order, name) in ["Done", "Fails", "Shaky", "Late"].iter().enumerate() {
        step(&log.store, order as u64, 1, json!({"command": name})).await;
    }
    assert_eq!(settled(&log.store).await, 2);
    let times = asked.lock().unwrap().clone();
    assert_eq!((times["Done"], times["Fails"], times["Shaky"]), (4, 3, 10));
    let mut parked = log.store.parked_work("script", 10).await.unwrap();
    parked.sort_by(|one, other| one.name.cmp(&other.name));
    let told: Vec<_> =
        parked.iter().map(|work| (work.name.as_str(), work.kind, work.failure.as_str())).collect();
    assert_eq!(told, [("Fails", "check", "the other side gave up"), ("Late", "check", "it timed out")]);
    running.end().await;
}

#[tokio::test]
async fn wake_ups_come_once_unless_they_are_set_anew_or_cancelled() {
    let log = log().await;
    let (script, mut handled) = telling();
    let running = begin(&manager(&log.store, script));
    // Set anew, to an earlier time.
    step(&log.store, 1, 1, json!({"wake_in_ms": 3_600_000})).await;
    step(&log.store, 1, 2, json!({"wake_in_ms": 1})).await;
    // Cancelled.
    step(&log.store, 2, 1, json!({"wake_in_ms": 3_600_000})).await;
    step(&log.store, 2, 2, json!({"cancel": true})).await;
    let woken = next(&mut handled).await;
    assert_eq!((woken.key, woken.payload), (json!(1), json!({"seen": [1, 2], "name": "later"})));
    assert_eq!(settled(&log.store).await, 0);
    // One that is far off is kept.
    step(&log.store, 3, 1, json!({"wake_in_ms": 3_600_000})).await;
    timeout(LONG, async {
        while log.store.processes().await.unwrap().first().is_none_or(|it| it.wake_ups == 0) {}
    })
    .await
    .unwrap();
    running.end().await;
    assert!(handled.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_wake_up_that_is_cancelled_while_it_is_reacted_to_has_no_effect() {
    let log = log().await;
    let (entered, mut is_entered) = mpsc::unbounded_channel();
    let go = Arc::new(Semaphore::new(0));
    let (script, mut handled) = telling();
    let may_go = Arc::clone(&go);
    let wake = move |_: &[u64], _: &Value| {
        entered.send(()).unwrap();
        // A reaction is a decision, and does not wait; here it has to be caught in the middle, on a thread of its own.
        while may_go.try_acquire().map(tokio::sync::SemaphorePermit::forget).is_err() {
            std::thread::yield_now();
        }
        Ok(Reaction::none().command("Woken", json!({})))
    };
    let script = Script { wake: Box::new(wake), ..script };
    let running = begin(&manager(&log.store, script));
    step(&log.store, 1, 1, json!({"wake_in_ms": 0})).await;
    timeout(LONG, is_entered.recv()).await.unwrap();
    step(&log.store, 1, 2, json!({"cancel": true, "command": "Cancelled"})).await;
    assert_eq!(next(&mut handled).await.name, "Cancelled");
    go.add_permits(1);
    assert_eq!(settled(&log.store).await, 0);
    running.end().await;
    assert!(handled.try_recv().is_err(), "nothing follows from what was cancelled");
}

#[tokio::test]
async fn work_in_memory_and_at_once_is_bounded() {
    let log = log().await;
    let (at_once, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now, peak) = (Arc::clone(&at_once), Arc::clone(&most));
    let handle = move |_| -> BoxFuture<'static, Result<Progress, ProcessError>> {
        let (now, peak) = (Arc::clone(&now), Arc::clone(&peak));
        Box::pin(async move {
            peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(Progress::done())
        })
    };
    let events =
        (0..300).map(|n| NewEvent::new("Step", json!({"order": n, "n": n, "do": {"command": "Go"}})));
    log.store.append(events).await.unwrap();
    let mut profile = Profile::low_memory();
    (profile.batch, profile.dispatches) = (20, 4);
    let all = manager(&log.store, Script { handle: Box::new(handle), ..Script::default() }).profile(profile);
    // Reacted to first, so that all of it waits.
    let stop = CancellationToken::new();
    let reacting =
        tokio::spawn(all.run().reacting_only().until(stop.clone().cancelled_owned()).into_future());
    timeout(LONG, async {
        while log.store.processes().await.unwrap().first().is_none_or(|it| it.commands < 300) {}
    })
    .await
    .unwrap();
    stop.cancel();
    reacting.await.unwrap().unwrap();
    assert_eq!(at_once.load(Ordering::SeqCst), 0, "nothing is dispatched by whoever only reacts");
    let stop = CancellationToken::new();
    let dispatching =
        tokio::spawn(all.run().dispatching_only().until(stop.clone().cancelled_owned()).into_future());
    let mut leased = 0;
    timeout(LONG, async {
        while let Some(left) = log.store.processes().await.unwrap().first() {
            leased = leased.max(left.leased);
        }
    })
    .await
    .unwrap();
    stop.cancel();
    dispatching.await.unwrap().unwrap();
    assert_eq!(most.load(Ordering::SeqCst), 4);
    assert!((1..=20).contains(&leased), "{leased} were in memory");
}

#[tokio::test]
async fn an_event_that_is_reacted_to_again_makes_the_same_ids() {
    let log = log().await;
    let (script, mut handled) = telling();
    let manager = manager(&log.store, script);
    step(&log.store, 1, 1, json!({"command": "Go"})).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let running = begin(&manager);
        ids.push(next(&mut handled).await.id);
        running.end().await;
        log.store.reset_group("process/script", Start::Beginning).await.unwrap();
    }
    assert_eq!(ids[0], ids[1], "so that whoever is asked twice can tell");
}

#[tokio::test]
async fn what_can_not_be_done_is_refused_before_anything_is() {
    let log = log().await;
    let refused = async |manager: ProcessManager<Script>| {
        let error = timeout(LONG, manager.run().into_future()).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        error.to_string()
    };
    let valid = || manager(&log.store, Script::default());
    assert!(refused(valid().max_attempts(0)).await.contains("0 attempts"));
    assert!(refused(valid().lease(Duration::from_millis(1))).await.contains("leases of 1ms"));
    assert!(refused(valid().lease(Duration::from_secs(1_000_000))).await.contains("leases"));
    assert!(refused(valid().time_limit(Duration::ZERO)).await.contains("time limit"));
    let zeros: [fn(&mut Profile); 3] = [|it| it.batch = 0, |it| it.dispatches = 0, |it| it.status_checks = 0];
    for change in zeros {
        let mut profile = Profile::balanced();
        change(&mut profile);
        assert!(refused(valid().profile(profile)).await.contains("expected at least 1"));
    }
    assert!(refused(valid().backoff(Duration::MAX, Duration::MAX)).await.contains("pauses"));
    assert!(log.store.processes().await.unwrap().is_empty());
}
