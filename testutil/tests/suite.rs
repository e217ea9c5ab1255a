//! Clusters start, stream, crash and come back, and end with their owner, however it ends.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use testutil::{Cluster, ForgetfulDisk, Signal};

const CHILD: &str = "TESTUTIL_SUITE_CHILD";

#[tokio::test]
async fn a_replica_streams_and_a_crashed_server_comes_back() {
    let mut cluster = Cluster::builder().replicas(1).setting("work_mem", "'7MB'").start().unwrap();
    let (primary, replica) = (cluster.primary().dsn(), cluster.replicas()[0].dsn());
    let client = testutil::connect(&primary).await.unwrap();
    client.batch_execute("CREATE TABLE t (n int); INSERT INTO t VALUES (7)").await.unwrap();
    testutil::replayed(&primary, &replica).await.unwrap();
    let of_replica = testutil::connect(&replica).await.unwrap();
    let row =
        of_replica.query_one("SELECT n, pg_is_in_recovery(), current_setting('work_mem') FROM t", &[]).await;
    let row = row.unwrap();
    assert_eq!((row.get::<_, i32>(0), row.get::<_, bool>(1), row.get::<_, &str>(2)), (7, true, "7MB"));

    cluster.primary_mut().crash();
    assert!(testutil::connect(&primary).await.is_err());
    cluster.primary_mut().start().unwrap();
    let client = testutil::connect(&cluster.primary().dsn()).await.unwrap();
    assert_eq!(client.query_one("SELECT n FROM t", &[]).await.unwrap().get::<_, i32>(0), 7);
}

/// The last line for a parameter counts: of the file for tests, of what kind of server it is, of the test's own.
#[tokio::test]
async fn a_server_has_the_settings_of_its_kind_and_its_own() {
    let shown = async |dsn: String, name: &str| -> String {
        let client = testutil::connect(&dsn).await.unwrap();
        client.query_one("SELECT current_setting($1)", &[&name]).await.unwrap().get(0)
    };
    let fast = Cluster::builder()
        .replicas(1)
        .setting("work_mem", "'7MB'")
        .replica_configuration("work_mem = 9MB")
        .start()
        .unwrap();
    let (primary, replica) = (fast.primary().dsn(), fast.replicas()[0].dsn());
    assert_eq!([shown(primary.clone(), "work_mem").await, shown(replica, "work_mem").await], ["7MB", "9MB"]);
    for (name, value) in [("fsync", "off"), ("autovacuum_naptime", "5s"), ("max_connections", "300")] {
        assert_eq!(shown(primary.clone(), name).await, value, "{name}");
    }
    let durable = Cluster::builder().durable().start().unwrap();
    for (name, value) in [("fsync", "on"), ("full_page_writes", "on"), ("autovacuum_naptime", "1min")] {
        assert_eq!(shown(durable.primary().dsn(), name).await, value, "{name}");
    }
}

#[tokio::test]
async fn a_replica_starts_without_its_primary_and_a_server_keeps_its_port() {
    let mut cluster = Cluster::builder().replicas(1).start().unwrap();
    let port = cluster.primary().port();
    cluster.primary_mut().crash();
    cluster.replicas_mut()[0].crash();
    cluster.replicas_mut()[0].start().unwrap();
    let taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let error = cluster.primary_mut().start().unwrap_err().to_string();
    assert!(error.contains("Address already in use"), "{error}");
    drop(taken);
    cluster.primary_mut().start().unwrap();
    assert_eq!(cluster.primary().port(), port);
    testutil::replayed(&cluster.primary().dsn(), &cluster.replicas()[0].dsn()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_stopped_cluster_has_its_data_and_settings_of_its_own() {
    let mut original = Cluster::builder().replicas(1).setting("work_mem", "'7MB'").start().unwrap();
    assert!(
        Cluster::builder().copy_of(&original).start().is_err(),
        "data of a server that runs is not whole"
    );
    let primary = testutil::connect(&original.primary().dsn()).await.unwrap();
    primary.batch_execute("CREATE TABLE t (n int); INSERT INTO t VALUES (7)").await.unwrap();
    tokio::task::block_in_place(|| original.stop()).unwrap();
    for (primary_conf, replica_conf, expected) in
        [("", "", ["4MB", "4MB", "128MB"]), ("work_mem = 9MB", "work_mem = 8MB", ["9MB", "8MB", "128MB"])]
    {
        let copy =
            Cluster::builder().copy_of(&original).configured(primary_conf, replica_conf).start().unwrap();
        let (primary, replica) = (copy.primary().dsn(), copy.replicas()[0].dsn());
        let of_primary = testutil::connect(&primary).await.unwrap();
        of_primary.batch_execute("UPDATE t SET n = n + 1").await.unwrap();
        testutil::replayed(&primary, &replica).await.unwrap();
        let of_replica = testutil::connect(&replica).await.unwrap();
        let row = of_replica.query_one("SELECT n, current_setting('work_mem') FROM t", &[]).await.unwrap();
        let setting = async |name: &str| {
            let row = of_primary.query_one(&format!("SHOW {name}"), &[]).await.unwrap();
            row.get::<_, String>(0)
        };
        let of_primary = [setting("work_mem").await, setting("shared_buffers").await];
        assert_eq!([of_primary[0].as_str(), row.get(1), of_primary[1].as_str()], expected);
        assert_eq!(row.get::<_, i32>(0), 8, "each copy begins with what the original had");
    }
}

/// Whoever runs the tests on a version means that version.
#[tokio::test]
async fn servers_have_the_version_that_was_asked_for() {
    let Ok(expected) = std::env::var("EVENTSTORE_TEST_VERSION") else { return };
    let client = testutil::connect(&testutil::servers().primary).await.unwrap();
    let version: String = client.query_one("SHOW server_version", &[]).await.unwrap().get(0);
    assert_eq!(version.split('.').next(), Some(expected.as_str()));
}

#[tokio::test]
async fn a_stopped_server_goes_on_where_it_was() {
    let cluster = Cluster::builder().start().unwrap();
    let client = testutil::connect(&cluster.primary().dsn()).await.unwrap();
    cluster.primary().signal(Signal::SIGSTOP).unwrap();
    let mut answer = Box::pin(client.query_one("SELECT 1", &[]));
    let waited = tokio::time::timeout(std::time::Duration::from_millis(100), &mut answer).await;
    assert!(waited.is_err(), "a stopped server answered");
    cluster.primary().signal(Signal::SIGCONT).unwrap();
    answer.await.unwrap();
    // Dropped while it is stopped, it ends all the same.
    cluster.primary().signal(Signal::SIGSTOP).unwrap();
    let data = cluster.primary().data().to_owned();
    drop(cluster);
    assert!(!data.exists());
}

/// The power is cut with the next write, which comes.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// Rows of single commits that are there after a power cut, and whether something was taken.
async fn rows_after_a_power_cut(disk: &ForgetfulDisk, commit: &str) -> (i64, bool) {
    let builder = Cluster::builder().durable().wal_on(disk.path());
    // No help from the WAL writer, which flushes five times a second.
    let mut cluster = builder.setting("wal_writer_delay", "'10s'").start().unwrap();
    let client = testutil::connect(&cluster.primary().dsn()).await.unwrap();
    client.batch_execute("CREATE TABLE t (n int); CHECKPOINT").await.unwrap();
    client.batch_execute(commit).await.unwrap();
    for number in 0..20 {
        client.execute("INSERT INTO t VALUES ($1)", &[&number]).await.unwrap();
    }
    // The next one is under way: it writes WAL that nobody waits for.
    let next = client.batch_execute("BEGIN; INSERT INTO t SELECT generate_series(1, 200000)");
    let cut = tokio::task::block_in_place(|| {
        std::thread::scope(|threads| {
            let cutting = threads.spawn(|| disk.cut_power(PATIENCE));
            let _ = tokio::runtime::Handle::current().block_on(next);
            cutting.join()
        })
    });
    cut.unwrap();
    cluster.primary_mut().crash();
    let forgotten = disk.restore_power().unwrap();
    cluster.primary_mut().start().unwrap();
    let client = testutil::connect(&cluster.primary().dsn()).await.unwrap();
    (client.query_one("SELECT count(*) FROM t", &[]).await.unwrap().get(0), forgotten.bytes > 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_takes_what_was_not_flushed_and_nothing_else() {
    let name = "a_power_cut_takes_what_was_not_flushed_and_nothing_else";
    for (commit, rows) in [("SET synchronous_commit = on", 20), ("SET synchronous_commit = off", 0)] {
        match ForgetfulDisk::mount() {
            Ok(disk) => assert_eq!(rows_after_a_power_cut(&disk, commit).await, (rows, true), "{commit}"),
            Err(error) => testutil::skip(name, error),
        }
    }
}

/// Runs a test of this binary as a child that owns a cluster, and returns when the cluster is up: the child, the
/// cluster's folder, and the server's pid.
fn child_with_cluster(how_it_ends: &str) -> (std::process::Child, PathBuf, i32) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["a_cluster_ends_with_its_owner", "--exact", "--nocapture", "--quiet"])
        .env(CHILD, how_it_ends)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.map(Result::unwrap).find(|line| line.starts_with("cluster ")).unwrap();
    let data = PathBuf::from(line.strip_prefix("cluster ").unwrap());
    let pid = std::fs::read_to_string(data.join("postmaster.pid")).unwrap();
    let pid = pid.lines().next().unwrap().parse().unwrap();
    (child, data.parent().unwrap().to_owned(), pid)
}

fn is_gone(pid: i32, folder: &std::path::Path) -> bool {
    let alive = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None).is_ok();
    !alive && !folder.exists()
}

#[test]
fn a_cluster_ends_with_its_owner() {
    if let Ok(how) = std::env::var(CHILD) {
        // Never dropped, as a static would be.
        let cluster = Box::leak(Box::new(Cluster::builder().replicas(1).start().unwrap()));
        println!("\ncluster {}", cluster.primary().data().display());
        // Until the parent has seen it.
        std::io::stdin().read_line(&mut String::new()).unwrap();
        match how.as_str() {
            "panic" => panic!("as asked"),
            "exit" => std::process::exit(3),
            _ => std::thread::park(),
        }
    }
    for how in ["panic", "exit", "SIGINT", "SIGTERM", "SIGKILL"] {
        let (mut child, folder, pid) = child_with_cluster(how);
        assert!(!is_gone(pid, &folder));
        drop(child.stdin.take()); // goes on
        if let Ok(signal) = how.parse::<Signal>() {
            let process = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
            nix::sys::signal::kill(process, signal).unwrap();
        }
        assert!(!child.wait().unwrap().success());
        // The supervisors are no children of ours: there is nothing to wait for but their work.
        let began = std::time::Instant::now();
        while !is_gone(pid, &folder) {
            assert!(began.elapsed().as_secs() < 20, "{how}: the cluster outlived its owner");
            std::thread::yield_now();
        }
    }
}

#[test]
fn without_a_server_the_error_says_what_to_run() {
    if std::env::var(CHILD).is_ok() {
        println!("\n{}", Cluster::builder().start().unwrap_err());
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["without_a_server_the_error_says_what_to_run", "--exact", "--nocapture", "--quiet"])
        .env(CHILD, "no server")
        .env("EVENTSTORE_PG_BIN", "/nowhere")
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("make postgres") && printed.contains("/nowhere"), "{printed}");
}

/// The lines of a file in `tuning/`, as settings.
fn tuning(file: &str) -> Vec<(String, String)> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tuning").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    let lines =
        text.lines().map(|line| line.split('#').next().unwrap().trim()).filter(|line| !line.is_empty());
    lines
        .map(|line| line.split_once(" = ").map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap())
        .collect()
}

#[tokio::test]
async fn tuning_freezes_a_page_when_it_is_vacuumed_first() {
    let mut builder = Cluster::builder();
    for (name, value) in tuning("primary.conf") {
        builder = builder.setting(name, value);
    }
    let cluster = builder.start().unwrap();
    let client = testutil::connect(&cluster.primary().dsn()).await.unwrap();
    client.batch_execute("CREATE TABLE t AS SELECT generate_series(1, 10000) AS n").await.unwrap();
    // The rows are twenty transactions old when they are vacuumed for the first time.
    for _ in 0..20 {
        client.query_one("SELECT pg_current_xact_id()", &[]).await.unwrap();
    }
    client.batch_execute("VACUUM t").await.unwrap();
    let age = "SELECT age(relfrozenxid) FROM pg_class WHERE relname = 't'";
    let age: i32 = client.query_one(age, &[]).await.unwrap().get(0);
    assert!(age < 10, "the oldest row that is not frozen is {age} transactions old");
}

#[tokio::test]
async fn servers_take_the_tuning_they_are_given() {
    let (primary, replica) = (tuning("primary.conf"), tuning("replica.conf"));
    let value = |settings: &[(String, String)], name: &str| {
        settings.iter().find(|(of, _)| of == name).map(|(_, value)| value.clone())
    };
    // A standby with fewer connections than its primary does not start.
    assert_eq!(value(&primary, "max_connections"), value(&replica, "max_connections"));
    for file in [primary, replica] {
        let mut builder = Cluster::builder();
        for (name, value) in &file {
            builder = builder.setting(name, value);
        }
        let cluster = builder.start().unwrap();
        let client = testutil::connect(&cluster.primary().dsn()).await.unwrap();
        for (name, value) in &file {
            let taken = "SELECT error IS NULL AND applied FROM pg_file_settings WHERE name = $1 ORDER BY seqno DESC LIMIT 1";
            let taken: bool = client.query_one(taken, &[name]).await.unwrap().get(0);
            assert!(taken, "{name} = {value}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_takes_over_and_the_others_follow_it() {
    let mut cluster =
        tokio::task::spawn_blocking(|| Cluster::builder().replicas(2).start()).await.unwrap().unwrap();
    let execute = async |dsn: String, statement: &str| {
        testutil::connect(&dsn).await.unwrap().batch_execute(statement).await.unwrap();
    };
    let count = async |dsn: String| -> i64 {
        let session = testutil::connect(&dsn).await.unwrap();
        session.query_one("SELECT count(*) FROM t", &[]).await.unwrap().get(0)
    };
    execute(cluster.primary().dsn(), "CREATE TABLE t AS SELECT 1").await;
    let (first, last) = (cluster.replicas()[0].dsn(), cluster.replicas()[1].dsn());
    testutil::replayed(&cluster.primary().dsn(), &first).await.unwrap();
    testutil::cut_off(&first).await.unwrap();
    execute(cluster.primary().dsn(), "INSERT INTO t VALUES (2)").await;
    testutil::replayed(&cluster.primary().dsn(), &last).await.unwrap();
    assert_eq!((count(first).await, count(last.clone()).await), (1, 2), "one was cut off");

    tokio::task::block_in_place(|| cluster.primary_mut().crash());
    let furthest = cluster.furthest_replica().await.unwrap();
    assert_eq!(furthest, 1);
    testutil::promote(&last).await.unwrap();
    cluster.has_promoted(furthest).await.unwrap();
    assert_eq!(cluster.primary().dsn(), last);
    tokio::task::block_in_place(|| cluster.rebuild_replica(furthest)).unwrap();
    execute(cluster.primary().dsn(), "INSERT INTO t VALUES (3)").await;
    for replica in cluster.replicas() {
        testutil::replayed(&last, &replica.dsn()).await.unwrap();
        assert_eq!(count(replica.dsn()).await, 3);
    }
}
