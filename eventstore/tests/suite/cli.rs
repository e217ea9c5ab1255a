//! The administration program as it is used: as a process.

#![cfg(feature = "cli")]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use eventstore::{Filter, NewEvent};
use serde_json::{Value, json};

use crate::fixture::Log;

pub(crate) fn eventstore(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eventstore"));
    for name in ["PRIMARY", "REPLICA", "SCHEMA", "PASSWORD_FILE"].map(|name| format!("EVENTSTORE_{name}")) {
        command.env_remove(name);
    }
    command.args(arguments.split(' ')).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn on(log: &Log, arguments: &str) -> Command {
    let mut command = eventstore(arguments);
    command.args(["--primary", log.schema.primary(), "--schema", log.schema.name()]);
    command
}

pub(crate) fn succeed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

pub(crate) fn fail(command: &mut Command) -> (i32, String) {
    let Output { status, stderr, .. } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8(stderr).unwrap())
}

pub(crate) fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Ten events, of two types and five books.
pub(crate) async fn filled() -> Log {
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
    let other = folder.path().join("no-export");
    std::fs::write(&other, "kept").unwrap();
    let (code, said) = fail(&mut on(&log, &format!("export --file {} --after 5", other.display())));
    assert!(code == 3 && said.contains("no whole line"), "{code}: {said}");
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "kept", "what is no export is left alone");
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
