//! Runs of the library scenario: their load, their report, their end.

use std::time::{Duration, Instant};

use serde_json::Value;
use testutil::TestSchema;

use crate::running::Running;
use crate::{assert_adds_up, count, json, load_generator, of_operations, on};

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
    let load = &report["load"];
    assert_eq!((&load["workers"], &load["queue"], &load["seed"]), (&50.into(), &100.into(), &5.into()));
    assert_eq!((&load["shape"], &load["arrivals"]), (&"100 requests/s".into(), &"even".into()));
    assert_eq!(report["errors"], serde_json::json!([]));
    assert_eq!(report["environment"]["events_before"], 2_000);
    assert_eq!(report["environment"]["servers"], "embedded");
    let settings = &report["environment"]["postgresql"];
    assert_eq!(settings["fsync"], "on");
    assert_eq!(settings["wal_retrieve_retry_interval"], "100ms", "somebody has set it: {settings:#}");
    assert!(settings["listen_addresses"].is_null(), "where a server is changes no figure: {settings:#}");
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
    assert_eq!(of_operations(&first, "effective").values().sum::<u64>(), written);
    let of_lending = |field: &str| of_operations(&first, field)["lend_book"];
    assert_eq!(of_lending("count"), of_lending("effective") + of_lending("refused"), "{first:#}");
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

#[test]
fn an_interrupt_ends_the_schedule_and_what_ran_is_reported() {
    let schema = TestSchema::new();
    let running = Running::start(on(&schema, "--rate 100 --duration 10m --warmup 0s --preload 500 --json -"));
    // A primary that is busy for a moment is not ready for that moment.
    let began = Instant::now();
    let mut ready = String::new();
    while !ready.starts_with("HTTP/1.1 200") && began.elapsed() < Duration::from_secs(20) {
        ready = running.get("/ready").unwrap();
    }
    assert!(ready.starts_with("HTTP/1.1 200") && ready.contains("\"in_rotation\":true"), "{ready}");
    running.interrupt();
    let report = running.report();
    assert_adds_up(&report);
    assert!(count(&report, "completed") > 0 && report["duration_s"].as_f64().unwrap() < 300.0, "{report:#}");
    let marks = report["marks"].as_array().unwrap();
    assert!(marks.iter().any(|mark| mark["kind"] == "interrupted"), "{report:#}");
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
