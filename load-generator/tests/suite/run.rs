//! Runs of the library scenario: their load, their report, their end.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use testutil::{Session, TestSchema};

use crate::{assert_adds_up, count, json, load_generator, on};

#[test]
fn a_run_on_servers_of_its_own_says_so_and_reports() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let flags = "--rate 100 --duration 2s --warmup 500ms --preload 2000 --seed 5 --json";
    let output = load_generator(flags).arg(file.path()).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("started a PostgreSQL primary"), "{said}");
    assert!(!said.contains("req/s"), "no progress lines without a terminal: {said}");
    assert!(printed.contains("200 scheduled") && printed.contains("lend_book"), "{printed}");

    let report: Value = serde_json::from_str(&std::fs::read_to_string(file.path()).unwrap()).unwrap();
    assert_adds_up(&report);
    assert_eq!((count(&report, "scheduled"), count(&report, "errors")), (200, 0), "{report:#}");
    assert_eq!((&report["scenario"], &report["engine"]), (&"library".into(), &"eventstore".into()));
    assert_eq!(report["environment"]["events_before"], 2_000);
    assert_eq!(report["environment"]["postgresql"]["fsync"], "on");
    assert!(report["effective_share"].as_f64().unwrap() >= 0.8, "{report:#}");
    for summary in [&report["latency"], &report["service"], &report["operations"]["lend_book"]["latency"]] {
        let names = ["p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms"];
        let values = names.map(|name| summary[name].as_f64().unwrap());
        assert!(values[0] > 0.0 && values.is_sorted(), "{summary}");
    }
    let at = |summary: &str| report[summary]["p50_ms"].as_f64().unwrap();
    assert!(at("latency") >= at("service"), "latency counts from when the request was due");
}

#[test]
fn a_run_on_given_servers_goes_on_with_the_log_it_finds() {
    let schema = TestSchema::new();
    let flags = "run --rate 200 --duration 1s --warmup 0s --preload 1500 --json -";
    let first = json(&on(&schema, flags).output().unwrap());
    assert_eq!(first["environment"]["events_before"], 1_500);
    let second = json(&on(&schema, flags).output().unwrap());
    let written = second["environment"]["events_before"].as_u64().unwrap() - 1_500;
    let operations = first["operations"].as_object().unwrap().values();
    assert_eq!(operations.map(|operation| operation["effective"].as_u64().unwrap()).sum::<u64>(), written);
    assert!(second["effective_share"].as_f64().unwrap() >= 0.8, "{second:#}");
    assert_adds_up(&second);
}

/// What the first events of a log are about, and which readers were ever registered.
async fn contents(schema: &TestSchema) -> (String, String) {
    let sql = testutil::connect(schema.primary()).await.unwrap();
    let text = format!(
        "SELECT string_agg(event_type || (payload - 'OccurredAt'), ' ' ORDER BY position) FILTER (WHERE position <= 1000),
                string_agg(DISTINCT payload ->> 'ReaderID', ' ' ORDER BY payload ->> 'ReaderID')
                    FILTER (WHERE event_type = 'ReaderRegistered')
         FROM {}.events",
        schema.name()
    );
    let row = sql.query_one(&text, &[]).await.unwrap();
    (row.get(0), row.get(1))
}

#[tokio::test]
async fn the_seed_fixes_the_requests_and_what_they_are_about() {
    let mut found = Vec::new();
    for seed in [7, 7, 8] {
        let schema = TestSchema::new();
        // Slow enough that every request is carried out.
        let flags = format!(
            "--rate 200 --duration 2s --warmup 0s --preload 1000 --timeout 20s --json - --seed {seed}"
        );
        let report = json(&on(&schema, &flags).output().unwrap());
        assert_eq!(count(&report, "completed"), 400, "{report:#}");
        found.push(contents(&schema).await);
    }
    assert_eq!(found[0], found[1]);
    assert_ne!(found[0].0, found[2].0);
    assert_ne!(found[0].1, found[2].1);
}

/// Starts a run with metrics at a free port, and returns when a command is through.
fn running(schema: &TestSchema, flags: &str) -> (Child, u16) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let child = on(schema, flags).args(["--metrics", &format!("localhost:{port}")]).spawn().unwrap();
    while metric(port, "load_generator_requests_total{operation=\"lend_book\"").is_none() {
        std::thread::yield_now();
    }
    (child, port)
}

fn scrape(port: u16) -> Option<String> {
    get(port, "/metrics")
}

/// The whole answer.
fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("localhost", port)).ok()?;
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes())
        .ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

/// The value of the first metric whose name and labels begin like this.
fn metric(port: u16, begins: &str) -> Option<f64> {
    scrape(port)?.lines().find(|line| line.starts_with(begins))?.rsplit(' ').next()?.parse().ok()
}

#[test]
fn an_interrupt_ends_the_schedule_and_what_ran_is_reported() {
    let schema = TestSchema::new();
    let (child, port) = running(&schema, "--rate 100 --duration 10m --warmup 0s --preload 500 --json -");
    // A primary that is busy for a moment is not ready for that moment.
    let began = Instant::now();
    let mut ready = String::new();
    while !ready.starts_with("HTTP/1.1 200") && began.elapsed() < Duration::from_secs(20) {
        ready = get(port, "/ready").unwrap();
    }
    assert!(ready.starts_with("HTTP/1.1 200") && ready.contains("\"in_rotation\":true"), "{ready}");
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let report = json(&child.wait_with_output().unwrap());
    assert_adds_up(&report);
    assert!(count(&report, "completed") > 0 && report["duration_s"].as_f64().unwrap() < 60.0, "{report:#}");
}

/// The names of our metrics in a text.
fn metric_names(text: &str) -> std::collections::BTreeSet<&str> {
    let words = text.split(|char: char| !char.is_ascii_alphanumeric() && char != '_');
    words.filter(|word| word.starts_with("load_generator_")).collect()
}

#[test]
fn the_dashboard_asks_for_metrics_that_there_are() {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../grafana/dashboards/load-generator.json");
    let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let expressions: String =
        targets.map(|target| target["expr"].as_str().unwrap().to_owned() + "\n").collect();

    let schema = TestSchema::new();
    let (mut child, port) = running(&schema, "--rate 100 --duration 10m --warmup 0s --preload 500");
    let scraped = scrape(port).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let (asked, there) = (metric_names(&expressions), metric_names(&scraped));
    assert!(asked.len() >= 10, "{asked:?}");
    assert_eq!(asked.difference(&there).collect::<Vec<_>>(), Vec::<&&str>::new());
}

/// Takes the log's append lock: appends wait until the session unlocks or ends.
async fn hold_lock(schema: &TestSchema) -> Session {
    let session = testutil::connect(schema.primary()).await.unwrap();
    let lock =
        format!("SELECT pg_advisory_lock(1163284301, '{}.events'::regclass::oid::integer)", schema.name());
    session.execute(&lock, &[]).await.unwrap();
    session
}

#[tokio::test(flavor = "multi_thread")]
async fn overload_is_rejected_at_once_and_counted() {
    let schema = TestSchema::new();
    let flags =
        "--rate 500 --duration 3s --warmup 0s --workers 4 --queue 8 --timeout 500ms --preload 500 --json -";
    let (child, port) = running(&schema, flags);
    // With the log's lock taken, four workers wait and eight requests are queued: the next ones find no place.
    let locker = hold_lock(&schema).await;
    while metric(port, "load_generator_backpressure_total").unwrap_or_default() < 100.0 {}
    assert_eq!(metric(port, "load_generator_queue_depth"), Some(8.0));
    locker.execute("SELECT pg_advisory_unlock_all()", &[]).await.unwrap();
    let report = json(&child.wait_with_output().unwrap());
    assert_adds_up(&report);
    assert_eq!(count(&report, "scheduled"), 1_500, "the schedule does not wait for the system");
    assert!(count(&report, "rejected") >= 100, "{report:#}");
    assert!(report["latency"]["max_ms"].as_f64().unwrap() < 2_500.0, "the queue is bounded: {report:#}");
}

#[test]
fn many_workers_on_a_small_library_still_have_something_to_do() {
    let schema = TestSchema::new();
    // Every worker has a book or a loan in hand, as they are slower than the schedule.
    let flags =
        "--rate 1500 --duration 2s --warmup 0s --workers 300 --queue 3000 --timeout 50s --preload 0 --json -";
    let report = json(&on(&schema, flags).output().unwrap());
    assert_adds_up(&report);
    // So many on few readers: a decision may still meet a conflict after its last retry.
    assert!(count(&report, "completed") >= 2_900 && count(&report, "timeouts") == 0, "{report:#}");
    assert!(report["effective_share"].as_f64().unwrap() >= 0.8, "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn time_outs_count_as_latency() {
    let schema = TestSchema::new();
    let flags = "--rate 50 --duration 3s --warmup 0s --timeout 300ms --preload 500 --json -";
    let (child, port) = running(&schema, flags);
    let lock = hold_lock(&schema).await;
    let timed_out = "load_generator_requests_total{operation=\"lend_book\",outcome=\"timeout\"}";
    while metric(port, timed_out).unwrap_or_default() < 5.0 {}
    lock.execute("SELECT pg_advisory_unlock_all()", &[]).await.unwrap();
    let report = json(&child.wait_with_output().unwrap());
    assert_adds_up(&report);
    assert!(count(&report, "timeouts") >= 5, "{report:#}");
    assert!(report["latency"]["max_ms"].as_f64().unwrap() >= 300.0, "{report:#}");
}

#[test]
fn progress_is_printed_to_a_terminal() {
    let schema = TestSchema::new();
    // script(1) of util-linux gives the child a terminal; elsewhere its flags are others.
    let is_util_linux = |output: Output| String::from_utf8_lossy(&output.stdout).contains("util-linux");
    if !Command::new("script").arg("--version").output().is_ok_and(is_util_linux) {
        return;
    }
    let program = format!(
        "{} --rate 50 --duration 3s --warmup 0s --preload 500 --primary '{}' --schema {}",
        env!("CARGO_BIN_EXE_load-generator"),
        schema.primary(),
        schema.name()
    );
    let mut child =
        Command::new("script").args(["-qec", &program, "/dev/null"]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let progress = lines.filter(|line| line.contains("req/s  p50")).count();
    assert!(child.wait().unwrap().success());
    assert!(progress >= 2, "{progress} lines in three seconds");
}

#[test]
fn bad_input_is_refused_with_a_clear_message() {
    for (flags, status, message) in [
        ("--rate 0", 2, "from 0.001"),
        ("--duration soon", 2, "20s"),
        ("--duration 0s", 2, "longer than 0"),
        ("--rate 5 --bogus", 2, "--bogus"),
        ("--duration 1s --primary host=db.example password=geheim user=u", 1, "needs TLS"),
        ("--duration 1s --primary nonsense=geheim", 1, "does not parse"),
        ("--duration 1s --json /nonexistent/out.json", 1, "/nonexistent/out.json"),
        ("--metrics 203.0.113.1:1", 1, "metrics at 203.0.113.1:1"),
    ] {
        let mut arguments = flags.split(" --primary ");
        let mut command = load_generator(arguments.next().unwrap());
        if let Some(primary) = arguments.next() {
            command.args(["--primary", primary]);
        }
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{flags}: {said}");
        assert!(said.contains(message) && !said.contains("geheim"), "{flags}: {said}");
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = format!("host=127.0.0.1 port={port} user=u password=geheim");
    let output = load_generator("--duration 1s --primary").arg(nobody).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("127.0.0.1:{port}")) && !said.contains("geheim"), "{said}");
}

#[test]
fn a_place_for_the_result_that_can_not_be_written_is_refused_before_the_run() {
    let output = load_generator("--rate 10 --duration 1h --json /no/such/folder/out.json").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("/no/such/folder/out.json") && !said.contains("started"), "{said}");
}
