//! The administration program as it is used: as a process.

#![cfg(feature = "cli")]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use eventstore::{Filter, NewEvent, ProcessError, Progress, Start};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use crate::fixture::Log;
use crate::process_script::{Script, begin, manager, settled, step};
use crate::subscriptions::{log_with, soon};

pub(crate) fn eventstore(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eventstore"));
    for name in ["PRIMARY", "REPLICA", "SCHEMA", "PASSWORD_FILE"].map(|name| format!("EVENTSTORE_{name}")) {
        command.env_remove(name);
    }
    command.args(arguments.split(' ')).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn on(log: &Log, arguments: &str) -> Command {
    let mut command = eventstore(arguments);
    command.args(["--primary", log.schema.primary(), "--schema", log.schema.name()]);
    command
}

pub(crate) fn succeed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

fn fail(command: &mut Command) -> (i32, String) {
    let Output { status, stderr, .. } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8(stderr).unwrap())
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn filled() -> Log {
    let log = Log::with(|builder| builder.index_only(["BookID"])).await;
    let lent = |n: u64| {
        NewEvent::new(
            if n.is_multiple_of(2) { "Lent" } else { "Returned" },
            json!({"BookID": n / 2, "by": {"id": "ada"}}),
        )
    };
    log.store.append((0..10).map(lent)).await.unwrap();
    log
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_looked_into() {
    let log = filled().await;
    assert_eq!(succeed(&mut on(&log, "head")), "10\n");
    let found =
        lines(&succeed(&mut on(&log, "query --type Lent --type Returned --any BookID=1 --any BookID=3")));
    let positions: Vec<_> = found.iter().map(|event| event["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, [3, 4, 7, 8]);
    let newest = lines(&succeed(&mut on(&log, "query --backwards --limit 2 --after 3 --until 8")));
    assert_eq!(newest.iter().map(|event| event["position"].as_u64().unwrap()).collect::<Vec<_>>(), [8, 7]);
    assert_eq!(lines(&succeed(&mut on(&log, "tail --lines 3"))).len(), 3);

    let (by_position, id) = (succeed(&mut on(&log, "show 4")), found[1]["id"].as_str().unwrap());
    assert_eq!(by_position, succeed(&mut on(&log, &format!("show {id}"))));
    let event: Value = serde_json::from_str(&by_position).unwrap();
    assert_eq!((&event["type"], &event["payload"]["BookID"]), (&json!("Returned"), &json!(1)));
    let (code, said) = fail(&mut on(&log, "show 99"));
    assert!(code == 5 && said.contains("99"), "{code}: {said}");

    let stats: Value = serde_json::from_str(&succeed(&mut on(&log, "stats"))).unwrap();
    assert_eq!(stats["events"], 10);
    assert!(stats["bytes"]["keys"].as_u64().unwrap() > 0, "{stats:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_made_moved_and_indexed() {
    let log = filled().await;
    let copy = format!("{}_copy", log.schema.name());
    let on_copy = |arguments: &str| {
        let mut command = eventstore(arguments);
        command.env("EVENTSTORE_PRIMARY", log.schema.primary()).env("EVENTSTORE_SCHEMA", &copy);
        command
    };
    let status = || lines(&succeed(&mut on_copy("migrate status")));
    assert!(status().iter().all(|migration| migration["applied_at"].is_null()), "{:?}", status());
    let (code, said) = fail(&mut on_copy("head"));
    assert!(code == 3 && said.contains("migrate"), "{code}: {said}");
    succeed(&mut on_copy("migrate up --index BookID"));
    assert!(status().iter().all(|migration| migration["applied_at"].is_string()));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.ndjson");
    let export = format!("export --file {}", file.display());
    succeed(&mut on(&log, &export));
    let (code, _) = fail(&mut on(&log, &export));
    assert_eq!(code, 1, "nothing is overwritten");
    let piped = succeed(&mut on(&log, "export"));
    assert_eq!(piped, std::fs::read_to_string(&file).unwrap());
    // Broken off in the middle of the sixth line.
    let cut = piped.match_indices('\n').nth(4).unwrap().0 + 30;
    std::fs::write(&file, &piped[..cut]).unwrap();
    let (code, said) = fail(&mut on(&log, &format!("{export} --after 6")));
    assert!(code == 3 && said.contains("position 5"), "{code}: {said}");
    succeed(&mut on(&log, &format!("{export} --after 5")));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), piped);
    for expected in ["10 events imported, 0 were", "0 events imported, 10 were"] {
        let output = on_copy("import --file").arg(&file).output().unwrap();
        assert!(String::from_utf8_lossy(&output.stderr).contains(expected), "{output:?}");
    }
    assert_eq!(succeed(&mut on_copy("head")), "10\n");

    let (code, said) = fail(&mut on_copy("query --all by.id=ada"));
    assert!(code == 3 && said.contains("by.id"), "{said}");
    assert_eq!(lines(&succeed(&mut on_copy("query --all by.id=ada --allow-scan"))).len(), 10);
    let listed = lines(&succeed(&mut on_copy("index add by.id")));
    assert!(listed.iter().any(|path| path["path"] == "by.id" && path["state"] == "ready"), "{listed:?}");
    assert_eq!(lines(&succeed(&mut on_copy("query --all by.id=ada"))).len(), 10);
    assert_eq!(lines(&succeed(&mut on_copy("index drop by.id"))).len(), 2, "BookID is left");
    log.sql().await.batch_execute(&format!("DROP SCHEMA \"{copy}\" CASCADE")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_script_makes_a_log_that_the_library_takes_for_its_own() {
    let log = Log::new().await;
    let schema = format!("{}_by_hand", log.schema.name());
    let script = succeed(&mut eventstore(&format!("migrate print --schema {schema}")));
    let client = log.sql().await;
    client.batch_execute(&script).await.unwrap();
    let store =
        crate::fixture::store().primary(log.schema.primary()).schema(&schema).connect().await.unwrap();
    store.migrate().await.unwrap();
    store.append([NewEvent::new("T", json!({"n": 1}))]).await.unwrap();
    assert_eq!(store.query(&Filter::where_all([("n", 1)])).await.unwrap().len(), 1);
    client.batch_execute(&format!("DROP SCHEMA \"{schema}\" CASCADE")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_follows_until_it_is_interrupted() {
    let log = filled().await;
    let mut command = on(&log, "tail --follow --type Lent --lines 1 --interval 5");
    let mut child = command.spawn().unwrap();
    let mut followed = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next =
        || serde_json::from_str::<Value>(&followed.next().unwrap().unwrap()).unwrap()["position"].clone();
    assert_eq!(next(), 9);
    let events = ["Returned", "Lent", "Lent"].map(|event_type| NewEvent::new(event_type, json!({})));
    log.store.append(events).await.unwrap();
    assert_eq!([next(), next()], [json!(12), json!(13)]);
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    assert!(child.wait().unwrap().success());
}

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
async fn inline_projections_are_registered_listed_and_unregistered() {
    let log = filled().await;
    let schema = log.schema.name();
    let function =
        format!("CREATE FUNCTION {schema}.noted(first bigint, last bigint) RETURNS void LANGUAGE sql AS ''");
    log.sql().await.batch_execute(&function).await.unwrap();
    let register = format!("projections inline register noted {schema}.noted");
    assert_eq!(lines(&succeed(&mut on(&log, &register))), [json!({"name": "noted", "after": 10})]);
    let listed = lines(&succeed(&mut on(&log, "projections inline list")));
    assert_eq!(
        (listed.len(), &listed[0]["callable"], &listed[0]["after"]),
        (1, &json!(true), &json!(10)),
        "{listed:?}"
    );
    succeed(&mut on(&log, "projections inline unregister noted"));
    assert_eq!(lines(&succeed(&mut on(&log, "projections inline list"))), [] as [Value; 0]);
    let (code, said) = fail(&mut on(&log, "projections inline unregister noted"));
    assert!(code == 3 && said.contains("noted"), "{code}: {said}");
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

#[test]
fn bad_usage_is_refused_and_help_teaches() {
    for arguments in [
        "fly",
        "query --any BookID",
        "query --limit 0",
        "tail --interval 0",
        "show",
        "index add",
        "migrate sideways",
        "subscriptions reset s",
        "subscriptions reset s --to yesterday",
        "groups parked drop g",
        "groups parked replay g 1 --all",
        "processes parked",
        "processes parked p --limit 0",
        "processes drop p",
        "processes replay p 4711",
        "doctor --memory 4GB",
    ] {
        assert_eq!(fail(&mut eventstore(arguments)).0, 2, "{arguments}");
    }
    for command in ["head", "doctor"] {
        let (code, said) = fail(&mut eventstore(command));
        assert!(code == 2 && said.contains("EVENTSTORE_PRIMARY"), "{command}: {code}: {said}");
    }
    let mut command = eventstore("head");
    command.args(["--primary", "host=127.0.0.1 port=1 user=u password=geheim"]);
    let (code, said) = fail(&mut command);
    assert!(code == 4 && said.contains("127.0.0.1:1") && !said.contains("geheim"), "{said}");
    for command in [
        "query",
        "tail",
        "show",
        "stats",
        "export",
        "import",
        "head",
        "migrate up",
        "index add",
        "subscriptions list",
        "subscriptions show",
        "subscriptions reset",
        "subscriptions delete",
        "groups list",
        "groups show",
        "groups reset",
        "groups delete",
        "groups parked list",
        "groups parked replay",
        "groups parked drop",
        "projections recomputed",
        "projections recompute",
        "projections inline list",
        "projections inline register",
        "projections inline unregister",
        "processes list",
        "processes parked",
        "processes replay",
        "processes drop",
        "tune",
        "doctor",
    ] {
        let help = succeed(&mut eventstore(&format!("{command} --help")));
        assert!(help.contains("Example"), "{command}: {help}");
    }
}

#[test]
fn a_password_file_is_for_those_who_connect() {
    let with_file = |arguments: &str| {
        let mut command = eventstore(arguments);
        command
            .env("EVENTSTORE_PASSWORD_FILE", "/no/such/file")
            .env("EVENTSTORE_PRIMARY", "host=127.0.0.1 user=u");
        command
    };
    for arguments in ["tune --server primary --memory 4GB --cpus 2", "migrate print"] {
        succeed(&mut with_file(arguments));
    }
    for arguments in ["head", "doctor"] {
        let (code, said) = fail(&mut with_file(arguments));
        assert!(code == 3 && said.contains("/no/such/file"), "{arguments}: {code}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn privileges_are_granted_and_shown() {
    let log = Log::new().await;
    let (sql, role) = (log.sql().await, format!("{}_app", log.schema.name()));
    sql.batch_execute(&format!("CREATE ROLE {role}")).await.unwrap();
    let line = |privilege: &str| json!({"role": role, "privilege": privilege, "creates_schemas": false});
    assert_eq!(lines(&succeed(&mut on(&log, &format!("roles grant writer {role}")))), [line("writer")]);
    let Output { stdout, stderr, .. } = on(&log, &format!("roles grant projector {role}")).output().unwrap();
    assert_eq!(lines(&String::from_utf8(stdout).unwrap()), [line("projector"), line("writer")]);
    assert!(String::from_utf8(stderr).unwrap().contains("GRANT CREATE ON DATABASE"));
    assert_eq!(lines(&succeed(&mut on(&log, "roles list"))), [line("projector"), line("writer")]);
    assert_eq!(lines(&succeed(&mut on(&log, &format!("roles revoke writer {role}")))), [line("projector")]);
    assert_eq!(succeed(&mut on(&log, &format!("roles revoke projector {role}"))), "");
    let (code, said) = fail(&mut on(&log, "roles grant writer nobody_at_all"));
    assert!(code == 3 && said.contains("nobody_at_all"), "{code}: {said}");
    let (code, said) = fail(&mut on(&log, &format!("roles grant owner {role}")));
    assert!(code == 2 && said.contains("expected reader, writer"), "{code}: {said}");
    sql.batch_execute(&format!("DROP ROLE {role}")).await.unwrap();
}
