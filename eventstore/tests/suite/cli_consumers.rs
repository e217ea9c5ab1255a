//! What the administration program says of those who follow the log, and does with what they have parked.

#![cfg(feature = "cli")]

use eventstore::{ProcessError, Progress, Start};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use crate::cli::{fail, filled, lines, on, succeed};
use crate::process_script::{Script, begin, manager, settled, step};
use crate::subscriptions::{log_with, soon};

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_are_looked_at_reset_and_deleted() {
    let log = filled().await;
    assert_eq!(succeed(&mut on(&log, "subscriptions list")), "");
    let mut subscription = log.store.subscription("s").from_primary().start(Start::Beginning).await.unwrap();
    subscription.next().await.unwrap().unwrap().commit().await.unwrap();
    let listed = lines(&succeed(&mut on(&log, "subscriptions list")));
    let [held] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!((&held["name"], &held["checkpoint"], &held["alive"]), (&json!("s"), &json!(10), &json!(true)));
    assert_eq!((&held["events_behind"], &held["seconds_behind"]), (&json!(0), &json!(0.0)));
    assert!(held["held_by"].is_string() && held["beat_at"].as_str().unwrap().ends_with('Z'), "{held}");
    for command in ["subscriptions reset s --to beginning", "subscriptions delete s"] {
        let (code, said) = fail(&mut on(&log, command));
        assert!(code == 4 && said.contains("held"), "{code}: {said}");
    }

    subscription.close().await;
    for (to, checkpoint) in [("beginning", 0), ("4", 4), ("now", 10), ("0", 0)] {
        let reset = succeed(&mut on(&log, &format!("subscriptions reset s --to {to}")));
        let shown: Value = serde_json::from_str(&reset).unwrap();
        let behind = 10 - checkpoint;
        assert_eq!((&shown["checkpoint"], &shown["events_behind"]), (&json!(checkpoint), &json!(behind)));
        assert_eq!((&shown["alive"], &shown["beat_at"]), (&json!(false), &Value::Null));
    }
    for (command, expected) in [
        ("subscriptions show none", 5),
        ("subscriptions reset none --to now", 3),
        ("subscriptions delete none", 3),
        ("subscriptions reset s --to 99", 5),
    ] {
        let (code, said) = fail(&mut on(&log, command));
        assert!(code == expected && (said.contains("none") || said.contains("99")), "{code}: {said}");
    }
    succeed(&mut on(&log, "subscriptions delete s"));
    assert_eq!(succeed(&mut on(&log, "subscriptions list")), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_looked_at_reset_and_deleted() {
    let log = filled().await;
    assert_eq!(succeed(&mut on(&log, "groups list")), "");
    let group = log.store.consumer_group("g").ordered_by("BookID").from_primary();
    let worker = group.start(Start::Beginning).await.unwrap();
    worker.next().await.unwrap().done().await.unwrap();
    let shown: Value = serde_json::from_str(&succeed(&mut on(&log, "groups show g"))).unwrap();
    assert_eq!((&shown["order"], &shown["members"][0]["alive"]), (&json!("by BookID"), &json!(true)));
    for command in ["groups reset g --to now", "groups delete g"] {
        let (code, said) = fail(&mut on(&log, command));
        assert!(code == 4 && said.contains("takes part"), "{code}: {said}");
    }

    worker.close().await;
    let reset: Value = serde_json::from_str(&succeed(&mut on(&log, "groups reset g --to 4"))).unwrap();
    assert_eq!((&reset["checkpoint"], &reset["events_behind"]), (&json!(4), &json!(6)));
    assert_eq!(reset["members"], json!([]));
    let listed = lines(&succeed(&mut on(&log, "groups list")));
    let [left] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!(
        (&left["name"], &left["checkpoint"], &left["members_alive"]),
        (&json!("g"), &json!(4), &json!(0))
    );
    for (command, expected) in [
        ("groups show none", 5),
        ("groups reset none --to now", 3),
        ("groups delete none", 3),
        ("groups parked list none", 5),
        ("groups parked replay none 1", 3),
        ("groups parked drop none --all", 3),
    ] {
        let (code, said) = fail(&mut on(&log, command));
        assert!(code == expected && said.contains("none"), "{code}: {said}");
    }
    succeed(&mut on(&log, "groups delete g"));
    assert_eq!(succeed(&mut on(&log, "groups list")), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_parked_is_listed_replayed_and_dropped() {
    let log = filled().await;
    let group = log.store.consumer_group("g").ordered_by("BookID").from_primary();
    let worker = group.start(Start::Beginning).await.unwrap();
    // The first one of each book; the second one waits behind it.
    for _ in 0..5 {
        worker.next().await.unwrap().park("no paper").await.unwrap();
    }
    worker.close().await;
    let parked = lines(&succeed(&mut on(&log, "groups parked list g")));
    let positions: Vec<_> = parked.iter().map(|event| event["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, [1, 3, 5, 7, 9]);
    assert_eq!((&parked[0]["failure"], &parked[0]["attempts"]), (&json!("no paper"), &json!(1)));
    assert_eq!((&parked[0]["type"], &parked[0]["waiting"]), (&json!("Lent"), &json!(1)));

    let said = |arguments: &str| lines(&succeed(&mut on(&log, arguments)));
    assert_eq!(said("groups parked drop g 1 3 4"), [json!({"dropped": 2})], "4 is not parked");
    assert_eq!(said("groups parked replay g 5"), [json!({"replayed": 1})]);
    assert_eq!(said("groups parked replay g --all"), [json!({"replayed": 2})]);
    assert_eq!(said("groups parked drop g --all"), [json!({"dropped": 0})]);
    assert_eq!(said("groups parked list g"), [] as [Value; 0]);
    let shown: Value = serde_json::from_str(&succeed(&mut on(&log, "groups show g"))).unwrap();
    assert_eq!((&shown["parked"], &shown["blocked"], &shown["ready"]), (&json!(0), &json!(0), &json!(8)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_processes_have_parked_is_listed_replayed_and_dropped() {
    let log = log_with(soon()).await;
    assert_eq!(succeed(&mut on(&log, "processes list")), "");
    let handle = |_: eventstore::Command| -> BoxFuture<'static, Result<Progress, ProcessError>> {
        Box::pin(async { Ok(Progress::failed("no such book")) })
    };
    let script = Script { handle: Box::new(handle), ..Script::default() };
    let running = begin(&manager(&log.store, script));
    for order in 0..3 {
        step(&log.store, order, 1, json!({"command": "Lend"})).await;
    }
    assert_eq!(settled(&log.store).await, 3);
    running.end().await;

    let said = |arguments: &str| lines(&succeed(&mut on(&log, arguments)));
    let parked = said("processes parked script");
    let mut keys: Vec<_> = parked.iter().map(|work| work["key"].as_u64().unwrap()).collect();
    keys.sort_unstable();
    assert_eq!(keys, [0, 1, 2]);
    assert_eq!((&parked[0]["kind"], &parked[0]["name"]), (&json!("command"), &json!("Lend")));
    assert_eq!((&parked[0]["failure"], &parked[0]["attempts"]), (&json!("no such book"), &json!(1)));
    assert!(parked[0]["parked_at"].as_str().unwrap().ends_with('Z'), "{parked:?}");
    assert_eq!(said("processes parked script --limit 2").len(), 2);

    let id = parked[0]["id"].as_str().unwrap();
    assert_eq!(said(&format!("processes replay script {id}")), [json!({"replayed": 1})]);
    assert_eq!(said(&format!("processes drop script {id}")), [json!({"dropped": 0})], "it is not parked now");
    assert_eq!(said("processes drop script --all"), [json!({"dropped": 2})]);
    assert_eq!(said("processes parked script"), [] as [Value; 0]);
    let listed = said("processes list");
    let [left] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!((&left["name"], &left["commands"], &left["parked"]), (&json!("script"), &json!(1), &json!(0)));
    for command in ["parked none", &format!("replay none {id}"), "drop none --all"] {
        let (code, said) = fail(&mut on(&log, &format!("processes {command}")));
        assert!(code == 5 && said.contains("none"), "{code}: {said}");
    }
}
