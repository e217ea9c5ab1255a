//! The doctor, on servers that are well and on servers that are not.

#![cfg(feature = "cli")]

use std::process::Output;

use eventstore::{EventStore, NewEvent};
use serde_json::{Value, json};
use testutil::{Cluster, ClusterBuilder};

use crate::cli::{eventstore, succeed};
use crate::{fixture, tuning};

const SCHEMA: &str = "library";

/// What the doctor says of a pair of servers of 4 GiB: its exit status, and its findings.
fn examine(cluster: &Cluster, machine: &str) -> (i32, Vec<Value>) {
    let mut command = eventstore(&format!("doctor --json {machine} --schema {SCHEMA}"));
    command.args(["--primary", &cluster.primary().dsn()]);
    for replica in cluster.replicas() {
        command.args(["--replica", &replica.dsn()]);
    }
    let Output { status, stdout, stderr } = command.output().unwrap();
    let told: Value = serde_json::from_slice(&stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&stderr)));
    (status.code().unwrap(), told["findings"].as_array().unwrap().clone())
}

/// The findings that are more than notes: server, severity, check.
fn bad(findings: &[Value]) -> Vec<[String; 3]> {
    let of = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    let role = |finding: &Value| of(finding, "server").split(' ').next().unwrap().to_owned();
    findings
        .iter()
        .filter(|finding| finding["severity"] != "note")
        .map(|finding| [role(finding), of(finding, "severity"), of(finding, "check")])
        .collect()
}

/// The finding whose text has all of these words.
fn finding<'a>(findings: &'a [Value], words: &[&str]) -> &'a Value {
    let has_all = |finding: &&Value| words.iter().all(|word| finding.to_string().contains(word));
    findings.iter().find(has_all).unwrap_or_else(|| panic!("{words:?}: {findings:#?}"))
}

async fn start(builder: ClusterBuilder) -> (Cluster, EventStore) {
    let cluster = tokio::task::spawn_blocking(|| builder.start()).await.unwrap().unwrap();
    let (primary, replica) = (cluster.primary().dsn(), cluster.replicas()[0].dsn());
    let store = fixture::store().primary(&primary).schema(SCHEMA).connect().await.unwrap();
    store.migrate().await.unwrap();
    store.append((0..100).map(|n| NewEvent::new("T", json!({"n": n})))).await.unwrap();
    testutil::replayed(&primary, &replica).await.unwrap();
    (cluster, store)
}

/// Runs a line that mends something, each statement by itself as psql does.
async fn run(cluster: &Cluster, line: &str) {
    let client = testutil::connect(&cluster.primary().dsn()).await.unwrap();
    for statement in line.split("; ") {
        client.batch_execute(statement).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_content_with_the_servers_of_our_files_and_its_lines_mend_what_is_broken() {
    let builder = Cluster::builder()
        .replicas(1)
        .configuration(&tuning::file("primary.conf"))
        .replica_configuration(&tuning::file("replica.conf"));
    let (cluster, _store) = start(builder).await;
    let ours = || examine(&cluster, "--memory 4GB --cpus 2");

    let (code, findings) = ours();
    assert_eq!((code, bad(&findings)), (10, vec![["primary", "warning", "tables"].map(str::to_owned)]));
    assert!(findings[0]["mend"].as_str().unwrap().starts_with("eventstore tune --server tables"));
    run(
        &cluster,
        &succeed(&mut eventstore(&format!("tune --server tables --schema {SCHEMA}"))).replace("; ", ";"),
    )
    .await;
    let (code, findings) = ours();
    assert_eq!((code, bad(&findings)), (0, vec![]), "{findings:#?}");
    // Every statement of the doctor's own is one that the server knows.
    assert!(!findings.iter().any(|found| found.to_string().contains("not looked at")), "{findings:#?}");

    let broken = [
        ("SELECT pg_create_physical_replication_slot('gone', true)", 10, "warning", "slots", "gone"),
        ("DROP INDEX library.group_work_ready", 11, "error", "indexes", "group_work_ready"),
        (
            "DROP TRIGGER refuse_change ON library.events",
            11,
            "error",
            "triggers",
            "refuse_change of events is missing",
        ),
        (
            "DROP TRIGGER refuse_change_of_row ON library.events",
            11,
            "error",
            "triggers",
            "refuse_change_of_row of events is missing",
        ),
        // As pg_restore --disable-triggers leaves it.
        (
            "ALTER TABLE library.events ENABLE TRIGGER refuse_change",
            11,
            "error",
            "triggers",
            "refuse_change of events does not fire for everyone",
        ),
        (
            "ALTER TABLE library.events DISABLE TRIGGER refuse_change_of_row",
            11,
            "error",
            "triggers",
            "refuse_change_of_row of events does not fire",
        ),
        ("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf()", 11, "error", "durability", "fsync"),
        ("ALTER ROLE postgres SET enable_indexscan = 0", 10, "warning", "planner", "enable_indexscan"),
        ("ALTER TABLE library.recompute_queue SET UNLOGGED", 11, "error", "durability", "recompute_queue"),
        (
            "ALTER SYSTEM SET synchronous_standby_names = 'nobody'; SELECT pg_reload_conf()",
            11,
            "error",
            "synchronous",
            "0 of 1",
        ),
        (
            "ALTER SYSTEM SET wal_compression = off; SELECT pg_reload_conf()",
            10,
            "warning",
            "settings",
            "wal_compression",
        ),
    ];
    for (statement, expected, severity, check, word) in broken {
        run(&cluster, statement).await;
        reloaded(&cluster).await;
        let (code, findings) = ours();
        let of_primary =
            bad(&findings).into_iter().filter(|[server, ..]| server == "primary").collect::<Vec<_>>();
        assert_eq!(
            of_primary,
            [["primary", severity, check].map(str::to_owned)],
            "{statement}: {findings:#?}"
        );
        assert_eq!(code, expected, "{statement}");
        let mend = finding(&findings, &["primary", check, word])["mend"].as_str().unwrap();
        // Nobody would start a replica that there never was.
        let mend = match mend {
            "start its replica" => "SELECT pg_drop_replication_slot('gone')".to_owned(),
            mend => mend.rsplit("will not come back: ").next().unwrap().to_owned(),
        };
        run(&cluster, &mend).await;
        reloaded(&cluster).await;
        testutil::replayed(&cluster.primary().dsn(), &cluster.replicas()[0].dsn()).await.unwrap();
        let (code, findings) = ours();
        assert_eq!((code, bad(&findings)), (0, vec![]), "{mend}: {findings:#?}");
    }
}

/// Returns when new sessions have what `postgresql.auto.conf` says.
async fn reloaded(cluster: &Cluster) {
    let began = std::time::Instant::now();
    let is_read = "SELECT NOT EXISTS (SELECT FROM pg_file_settings f JOIN pg_settings s USING (name)
                                       WHERE f.sourcefile LIKE '%auto.conf' AND f.setting <> s.setting)";
    loop {
        let client = testutil::connect(&cluster.primary().dsn()).await.unwrap();
        if client.query_one(is_read, &[]).await.unwrap().get(0) {
            return;
        }
        assert!(began.elapsed().as_secs() < 20, "the server does not read its files");
    }
}

/// Has a server read some blocks, and waits until they are counted.
async fn read_blocks(dsn: &str, lookups: u32) {
    let client = testutil::connect(dsn).await.unwrap();
    let lookups = format!(
        "DO $$ BEGIN FOR n IN 1..{lookups} LOOP PERFORM e.id FROM {SCHEMA}.events e WHERE e.position = 1; \
         END LOOP; END $$"
    );
    client.batch_execute(&lookups).await.unwrap();
    client.batch_execute("SELECT pg_stat_force_next_flush()").await.unwrap();
    client.batch_execute("SELECT 1").await.unwrap();
}

/// Its sizes a sixteenth of what they were.
#[tokio::test(flavor = "multi_thread")]
async fn it_names_the_mistakes_of_the_ancestors_servers() {
    let builder = Cluster::builder()
        .replicas(1)
        .configuration(
            "fsync = on\nfull_page_writes = on\nenable_seqscan = off\nenable_indexscan = \
             off\nenable_bitmapscan = on\n\
             random_page_cost = 1.1\nshared_buffers = 192MB\nwork_mem = 192MB\neffective_cache_size = 576MB\n\
             autovacuum_vacuum_scale_factor = 0.8\nautovacuum_analyze_scale_factor = 0.005",
        )
        .replica_configuration(
            "shared_buffers = 64MB\nwork_mem = 64MB\nautovacuum_vacuum_scale_factor = \
             0.4\nautovacuum_max_workers = 2",
        );
    let (cluster, _store) = start(builder).await;
    // Counters whose age is not known are not compared.
    for dsn in [cluster.primary().dsn(), cluster.replicas()[0].dsn()] {
        let client = testutil::connect(&dsn).await.unwrap();
        client.batch_execute("SELECT pg_stat_reset()").await.unwrap();
    }
    read_blocks(&cluster.primary().dsn(), 10_000).await;
    read_blocks(&cluster.replicas()[0].dsn(), 60_000).await;
    let (code, findings) = examine(&cluster, "--memory 768MB --cpus 2");
    assert_eq!(code, 10, "{findings:#?}");
    for server in ["primary", "replica"] {
        for method in ["enable_seqscan", "enable_indexscan"] {
            let found = finding(&findings, &[server, "planner", method, "whole server"]);
            // The line that set it, where our role may see it.
            assert!(found["what"].as_str().unwrap().contains("postgresql.conf, line"), "{found}");
            assert!(found["mend"].as_str().unwrap().contains(&format!("ALTER SYSTEM SET {method} = 'on'")));
        }
    }
    assert!(!findings.iter().any(|found| found.to_string().contains("enable_bitmapscan")));
    finding(&findings, &["primary", "vacuum", "autovacuum_vacuum_scale_factor is 0.8"]);
    finding(&findings, &["primary", "settings", "work_mem is 192MB"]);
    let inert =
        finding(&findings, &["replica", "inert", "autovacuum_vacuum_scale_factor", "autovacuum_max_workers"]);
    assert_eq!(inert["severity"], "note", "no harm is done by it now");
    finding(&findings, &["replica", "promotion", "autovacuum_vacuum_scale_factor = 0.4 (primary: 0.8)"]);
    let balance = finding(&findings, &["replica", "balance", "64MB against 192MB (0.33 times)"])["what"]
        .as_str()
        .unwrap();
    let times: f64 = balance.split("asked for ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(times > 1.5, "{balance}");
    finding(&findings, &["primary", "tables", "keys"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_does_not_follow_is_told() {
    let (cluster, _store) =
        start(Cluster::builder().replicas(1).setting("fsync", "on").setting("full_page_writes", "on")).await;
    let replica = cluster.replicas()[0].dsn();
    testutil::connect(&replica).await.unwrap().batch_execute("SELECT pg_wal_replay_pause()").await.unwrap();
    let (code, findings) = examine(&cluster, "--memory 1GB --cpus 2");
    assert_eq!(code, 11);
    finding(&findings, &["replica", "error", "replay is paused"]);
    testutil::connect(&replica).await.unwrap().batch_execute("SELECT pg_wal_replay_resume()").await.unwrap();
    testutil::cut_off(&replica).await.unwrap();
    let (code, findings) = examine(&cluster, "--memory 1GB --cpus 2");
    assert_eq!(code, 11);
    finding(&findings, &["replica", "error", "does not stream"]);
}

/// What can be looked at is told all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_can_not_be_reached_is_named() {
    let log = fixture::Log::new().await;
    let mut command = eventstore("doctor");
    command.args(["--primary", log.schema.primary(), "--schema", log.schema.name()]);
    command.args(["--replica", "host=127.0.0.1 port=1 user=u password=geheim"]);
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (told, said) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert_eq!(status.code(), Some(11), "the primary's errors count: {told}");
    assert!(told.contains("replica 127.0.0.1:1: not reached") && !(said + &told).contains("geheim"));
    assert!(
        told.contains("primary 127.0.0.1") && told.contains("why: ") && told.contains("mend: "),
        "{told}"
    );
    assert!(!told.contains('\x1b'), "colours are for terminals");
}

/// Somebody holds a table for himself: the rest is told, and soon.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_table_costs_only_what_is_in_it() {
    let log = fixture::Log::new().await;
    let sql = log.sql().await;
    let name = log.schema.name();
    sql.batch_execute(&format!("BEGIN; LOCK TABLE {name}.events IN ACCESS EXCLUSIVE MODE")).await.unwrap();
    let mut command = eventstore("doctor --json");
    command.args(["--primary", log.schema.primary(), "--schema", name]);
    let Output { status, stdout, .. } = command.output().unwrap();
    sql.batch_execute("ROLLBACK").await.unwrap();
    let told: Value = serde_json::from_slice(&stdout).unwrap();
    assert_eq!((status.code(), &told["servers"][0]["reached"]), (Some(11), &json!(true)), "{told:#}");
    let findings = told["findings"].as_array().unwrap();
    finding(findings, &["not looked at: tables", "lock timeout"]);
    finding(findings, &["durability", "fsync is off"]);
    assert!(!findings.iter().any(|found| found["check"] == "log"), "{told:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_role_may_not_see_is_said_and_the_rest_is_told() {
    let log = fixture::Log::new().await;
    let role = format!("weak_{}", log.schema.name());
    let sql = log.sql().await;
    sql.batch_execute(&format!("CREATE ROLE {role} LOGIN")).await.unwrap();
    let dsn = log.schema.primary().replace("user=postgres", &format!("user={role}"));
    let mut command = eventstore("doctor --json");
    command.args(["--primary", &dsn, "--schema", log.schema.name()]);
    let Output { status, stdout, stderr } = command.output().unwrap();
    let told: Value = serde_json::from_slice(&stdout).unwrap();
    let findings = told["findings"].as_array().unwrap();
    sql.batch_execute(&format!("DROP ROLE {role}")).await.unwrap();
    assert!(matches!(status.code(), Some(10 | 11)), "{}", String::from_utf8_lossy(&stderr));
    finding(findings, &["rights", "note", "pg_monitor", "GRANT pg_monitor TO"]);
    finding(findings, &["rights", "note", "not looked at: migrations"]);
    finding(findings, &["tables", "warning", "keys"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_without_a_log_is_told() {
    let log = fixture::Log::new().await;
    let mut command = eventstore("doctor --json --schema nowhere");
    let Output { status, stdout, .. } = command.args(["--primary", log.schema.primary()]).output().unwrap();
    assert_eq!(status.code(), Some(11));
    let told: Value = serde_json::from_slice(&stdout).unwrap();
    finding(told["findings"].as_array().unwrap(), &["no log in this schema", "migrate up"]);
}
