//! The exporter as a process, against real servers.

mod limits;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use eventstore::{EventStore, NewEvent};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use testutil::{Cluster, TestSchema};

use crate::load_generator;

/// Far beyond anything that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// An exporter that runs. Killed when dropped.
pub(crate) struct Exporter {
    child: Child,
    pub(crate) port: u16,
}

impl Exporter {
    /// Starts one for these servers, the primary first, and returns when it listens.
    pub(crate) fn start(servers: &[String], schema: &str, flags: &str) -> Self {
        let mut command = load_generator(&format!("exporter --listen 127.0.0.1:0 {flags}"));
        command.args(["--schema", schema, "--primary", &servers[0]]);
        for replica in &servers[1..] {
            command.args(["--replica", replica]);
        }
        Self::spawn(&mut command).0
    }

    /// Starts one, and returns when it listens. What it says after that can be read, until that is dropped.
    pub(crate) fn spawn(command: &mut Command) -> (Self, BufReader<ChildStderr>) {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        stderr.read_line(&mut line).unwrap();
        let port = line.trim_end().strip_suffix("/metrics").and_then(|url| url.rsplit(':').next());
        let port = port.and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("no address: {line}"));
        (Self { child, port }, stderr)
    }

    /// Has it end, and returns when it has.
    pub(crate) fn end(&mut self) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGTERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
            .write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes())
            .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    /// What it says now.
    pub(crate) fn scrape(&self) -> Scrape {
        let text = self.get("/metrics");
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        Scrape(text)
    }

    /// The first page on which this is so.
    fn scrape_until(&self, is_so: impl Fn(&Scrape) -> bool) -> Scrape {
        let began = Instant::now();
        loop {
            let scrape = self.scrape();
            if is_so(&scrape) {
                return scrape;
            }
            assert!(began.elapsed() < PATIENCE, "it never became so: {}", scrape.0);
        }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A page of metrics.
pub(crate) struct Scrape(pub(crate) String);

impl Scrape {
    /// The value of what has this name and these labels, as they are written.
    fn value(&self, series: &str) -> Option<f64> {
        let line = self
            .0
            .lines()
            .find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    #[track_caller]
    pub(crate) fn number(&self, series: &str) -> f64 {
        self.value(series).unwrap_or_else(|| panic!("no {series} in {}", self.0))
    }

    fn has(&self, metric: &str) -> bool {
        self.0.lines().any(|line| line.starts_with(&format!("{metric}{{")))
    }
}

fn book(number: u64) -> NewEvent {
    NewEvent::new("BookAdded", json!({"BookID": number}))
}

async fn store(primary: &str, schema: &str) -> EventStore {
    let store = EventStore::builder().primary(primary).schema(schema).connect().await.unwrap();
    store.migrate().await.unwrap();
    store
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_of_a_pair_are_right_and_a_dead_replica_falls_behind() {
    let mut cluster = Cluster::builder().replicas(1).start().unwrap();
    let servers = [cluster.primary().dsn(), cluster.replicas()[0].dsn()];
    // Before there is a log: figures of the servers only.
    let exporter = Exporter::start(&servers, "li\"b", "--timeout 5s");
    let before = exporter.scrape();
    assert_eq!(before.number("postgresql_up{server=\"primary\"}"), 1.0);
    assert!(before.value("postgresql_log_head_position{schema=\"li\\\"b\",server=\"primary\"}").is_none());

    let store = store(&servers[0], "li\"b").await;
    store.append((1..=7).map(book)).await.unwrap();
    testutil::replayed(&servers[0], &servers[1]).await.unwrap();
    let head =
        |server: &str| format!("postgresql_log_head_position{{schema=\"li\\\"b\",server=\"{server}\"}}");
    let scrape = exporter.scrape();
    assert_eq!([head("primary"), head("replica1")].map(|head| scrape.number(&head)), [7.0, 7.0]);
    for (series, expected) in [
        ("postgresql_in_recovery{server=\"primary\"}", 0.0),
        ("postgresql_in_recovery{server=\"replica1\"}", 1.0),
        ("postgresql_max_connections{server=\"primary\"}", 300.0),
        ("postgresql_streaming_standbys{server=\"primary\"}", 1.0),
        ("postgresql_replication_streaming{server=\"primary\",standby=\"replica1\"}", 1.0),
        ("postgresql_wal_receiver_streaming{server=\"replica1\"}", 1.0),
        ("postgresql_replica_lag_seconds{server=\"replica1\"}", 0.0),
    ] {
        assert_eq!(scrape.number(series), expected, "{series}");
    }
    for series in [
        "postgresql_wal_bytes_total{server=\"primary\"}",
        "postgresql_commits_total{server=\"primary\"}",
        "postgresql_blocks_hit_total{server=\"replica1\"}",
        "postgresql_database_bytes{server=\"primary\"}",
        "postgresql_wal_directory_bytes{server=\"replica1\"}",
        "postgresql_database_age_transactions{server=\"primary\"}",
        "postgresql_last_checkpoint_timestamp_seconds{server=\"primary\"}",
        "postgresql_table_bytes{schema=\"li\\\"b\",server=\"primary\",table=\"events\"}",
        "postgresql_table_indexes_bytes{schema=\"li\\\"b\",server=\"primary\",table=\"keys\"}",
        "postgresql_connections{server=\"primary\",state=\"idle\"}",
        "postgresql_wal_position_bytes{server=\"replica1\"}",
    ] {
        assert!(scrape.number(series) > 0.0, "{series}: {}", scrape.0);
    }
    assert!(
        scrape.number("postgresql_log_last_event_age_seconds{schema=\"li\\\"b\",server=\"primary\"}") < 60.0
    );
    assert_eq!(scrape.number("postgresql_failed_queries{server=\"primary\"}"), 0.0, "{}", scrape.0);
    assert_eq!(scrape.number("postgresql_failed_queries{server=\"replica1\"}"), 0.0, "{}", scrape.0);
    assert!(scrape.has("postgresql_checkpoints_timed_total"), "{}", scrape.0);
    assert!(!scrape.0.contains("server=\"replica2\""), "there is one replica: {}", scrape.0);
    let buffers = "postgresql_checkpoint_buffers_total{server=\"primary\"}";
    let session = testutil::connect(&servers[0]).await.unwrap();
    session.batch_execute("CHECKPOINT").await.unwrap();
    // The checkpointer counts after it has answered.
    exporter.scrape_until(|later| later.number(buffers) > scrape.number(buffers));

    cluster.replicas_mut()[0].crash();
    store.append((8..=10).map(book)).await.unwrap();
    let lag = "postgresql_replica_lag_bytes{server=\"replica1\"}";
    let down = exporter.scrape();
    assert_eq!(down.number("postgresql_up{server=\"replica1\"}"), 0.0);
    assert_eq!(down.number(&head("primary")), 10.0);
    assert!(down.value(&head("replica1")).is_none());
    assert!(down.number(lag) > 0.0, "{}", down.0);
    store
        .append((0..200).map(|number| book(number).metadata(json!({"much": "x".repeat(1000)}))))
        .await
        .unwrap();
    let first = exporter
        .scrape_until(|scrape| scrape.number("postgresql_replica_lag_seconds{server=\"replica1\"}") > 0.0);
    let later = exporter.scrape();
    let seconds = |scrape: &Scrape| scrape.number("postgresql_replica_lag_seconds{server=\"replica1\"}");
    assert!(seconds(&later) > seconds(&first), "it grows");

    cluster.replicas_mut()[0].start().unwrap();
    let back = exporter.scrape_until(|scrape| scrape.value(lag).is_some_and(|bytes| bytes == 0.0));
    assert_eq!(back.number("postgresql_up{server=\"replica1\"}"), 1.0);
    assert_eq!(seconds(&back), 0.0);
    store.close().await.unwrap();
}

/// Frozen, it has a connection and says nothing: the page waits no longer than it was told, and has the other server.
#[test]
fn a_frozen_server_holds_a_scrape_up_for_the_timeout_only() {
    let cluster = Cluster::builder().replicas(1).start().unwrap();
    let servers = [cluster.primary().dsn(), cluster.replicas()[0].dsn()];
    let exporter = Exporter::start(&servers, "library", "--timeout 500ms");
    assert_eq!(exporter.scrape().number("postgresql_up{server=\"replica1\"}"), 1.0);
    cluster.replicas()[0].signal(testutil::Signal::SIGSTOP).unwrap();
    let began = Instant::now();
    let scrape = exporter.scrape();
    let took = began.elapsed();
    cluster.replicas()[0].signal(testutil::Signal::SIGCONT).unwrap();
    assert!(took >= Duration::from_millis(500) && took < Duration::from_secs(10), "{took:?}");
    assert_eq!(scrape.number("postgresql_up{server=\"replica1\"}"), 0.0);
    assert_eq!(scrape.number("postgresql_up{server=\"primary\"}"), 1.0);
    assert!(scrape.has("postgresql_wal_bytes_total"));
    exporter.scrape_until(|scrape| scrape.number("postgresql_up{server=\"replica1\"}") == 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn fewer_rights_give_fewer_figures() {
    let cluster = Cluster::builder().replicas(1).start().unwrap();
    let servers = [cluster.primary().dsn(), cluster.replicas()[0].dsn()];
    let store = store(&servers[0], "library").await;
    let session = testutil::connect(&servers[0]).await.unwrap();
    let roles = "CREATE ROLE monitor LOGIN; GRANT pg_monitor TO monitor; CREATE ROLE nobody_much LOGIN";
    session.batch_execute(roles).await.unwrap();
    testutil::replayed(&servers[0], &servers[1]).await.unwrap();
    let as_role =
        |role: &str| servers.clone().map(|dsn| dsn.replace("user=postgres", &format!("user={role}")));

    let exporter = Exporter::start(&as_role("monitor"), "library", "--timeout 5s");
    let monitor = exporter.scrape();
    for metric in [
        "postgresql_connections",
        "postgresql_replication_lag_bytes",
        "postgresql_wal_directory_bytes",
        "postgresql_longest_transaction_seconds",
        "postgresql_table_bytes",
        "postgresql_wal_receiver_streaming",
    ] {
        assert!(monitor.has(metric), "{metric}: {}", monitor.0);
    }
    assert!(!monitor.has("postgresql_log_head_position"), "the log is not its own to read");
    assert!(monitor.number("postgresql_failed_queries{server=\"primary\"}") > 0.0);

    session.batch_execute("GRANT USAGE ON SCHEMA library TO monitor; GRANT SELECT ON ALL TABLES IN SCHEMA library TO monitor").await.unwrap();
    let exporter = Exporter::start(&as_role("monitor"), "library", "--timeout 5s");
    let reader = exporter.scrape();
    assert!(reader.has("postgresql_log_head_position"), "{}", reader.0);
    assert_eq!(reader.number("postgresql_failed_queries{server=\"primary\"}"), 0.0, "{}", reader.0);

    let exporter = Exporter::start(&as_role("nobody_much"), "library", "--timeout 5s");
    let nobody = exporter.scrape();
    assert_eq!(nobody.number("postgresql_up{server=\"primary\"}"), 1.0);
    assert!(
        nobody.has("postgresql_max_connections") && nobody.has("postgresql_commits_total"),
        "{}",
        nobody.0
    );
    for metric in
        ["postgresql_connections", "postgresql_replication_lag_bytes", "postgresql_wal_directory_bytes"]
    {
        assert!(!nobody.has(metric), "{metric}: {}", nobody.0);
    }
    // What was refused is not asked for at each scrape: the servers would log nothing else.
    let refusals =
        || std::fs::read_to_string(cluster.primary().log()).unwrap().matches("permission denied").count();
    let after_first = refusals();
    assert!(after_first > 0);
    for _ in 0..3 {
        exporter.scrape();
    }
    assert_eq!(refusals(), after_first);
    store.close().await.unwrap();
}

#[test]
fn it_is_healthy_and_ends_when_it_is_told_to() {
    let schema = TestSchema::new();
    let mut exporter = Exporter::start(&[schema.primary().to_owned()], schema.name(), "--timeout 5s");
    assert!(exporter.get("/health").starts_with("HTTP/1.1 200"));
    exporter.scrape();
    exporter.end();
}
