//! Long loads, as short as they may be.

use serde_json::Value;
use testutil::{Cluster, Signal};

use crate::running::Running;
use crate::{json, load_generator, said};

#[test]
fn a_soak_with_a_frozen_server_is_not_steady_and_its_waits_are_explained() {
    let cluster = Cluster::builder().replicas(1).start().unwrap();
    let flags =
        "soak --rate 50 --duration 20s --timeout 500ms --queue 2000 --warmup 0s --preload 500 --json -";
    let mut command = load_generator(flags);
    command.args(["--primary", &cluster.primary().dsn(), "--replica", &cluster.replicas()[0].dsn()]);
    let mut running = Running::start(command);
    cluster.primary().signal(Signal::SIGSTOP).unwrap();
    // Long enough for a look at the server without an answer, and for time-outs.
    let timeouts = "load_generator_requests_total{operation=\"lend_book\",outcome=\"timeout\"}";
    running.wait_until(timeouts, |count| count >= 40.0);
    cluster.primary().signal(Signal::SIGCONT).unwrap();
    let output = running.output();
    let printed = said(&output, 3);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let steadiness = &report["steadiness"];
    assert_eq!(steadiness["held"], false, "{steadiness:#}");
    let stalls = steadiness["stalls"].as_array().unwrap();
    let longest = stalls
        .iter()
        .max_by(|one, other| one["max_ms"].as_f64().unwrap().total_cmp(&other["max_ms"].as_f64().unwrap()));
    let longest = longest.unwrap();
    assert!(longest["max_ms"].as_f64().unwrap() > 450.0, "{longest:#}");
    let beside = longest["beside"].as_array().unwrap();
    assert!(beside.iter().any(|reason| reason == "primary did not answer"), "{longest:#}");
    assert!(printed.contains("primary did not answer"), "{printed}");
    let parts = steadiness["parts"].as_array().unwrap();
    assert!(parts.len() <= 12, "{steadiness:#}");
    let ends: Vec<u64> = parts.iter().map(|part| part["until_s"].as_u64().unwrap()).collect();
    let begins: Vec<u64> = parts.iter().map(|part| part["at_s"].as_u64().unwrap()).collect();
    assert_eq!((begins[0], &begins[1..]), (0, &ends[..ends.len() - 1]));
    assert!((20..23).contains(ends.last().unwrap()), "what ended late is of the last part: {ends:?}");
    // All that ended is in one of them.
    let counted: u64 = parts.iter().map(|part| part["latency"]["count"].as_u64().unwrap()).sum();
    let all = report["latency"]["count"].as_u64().unwrap();
    assert_eq!(counted, all);
    // The cluster has no checkpoint in so short a time.
    let growth = &steadiness["growth"];
    assert_eq!((&growth["after_checkpoint"], &growth["last"]["at_s"]), (&false.into(), &15.into()));
    let limits: Vec<&str> = steadiness["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| check["limit"].as_str().unwrap())
        .collect();
    for expected in [
        "its end",
        "did not answer",
        "rejected",
        "p99 of the end",
        "nothing was beside",
        "lag",
        "primary",
        "replica 1",
    ] {
        assert!(limits.iter().any(|limit| limit.contains(expected)), "{expected}: {limits:?}");
    }
}

#[test]
fn what_can_not_be_judged_is_refused() {
    for (flags, expected) in [
        ("--duration 19s", "expected 20s or more"),
        ("--repeats 2", "a soak is one load"),
        ("--scenario seats", "of the library"),
        ("--seats 5", "of the library"),
        ("--ramp 1..300/50s", "at a constant rate"),
        ("--clients 5", "at a constant rate"),
        ("--engine null", "an engine with servers"),
        ("--settings no-such-file", "expected tuned, defaults, or a file"),
        ("--settings defaults --primary host=db", "is for servers of its own"),
    ] {
        let said = said(&load_generator(&format!("soak {flags}")).output().unwrap(), 2);
        assert!(said.contains(expected) && !said.contains("requests/s"), "{said}");
    }
}

#[test]
fn servers_of_its_own_are_set_as_asked() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "shared_buffers = 32MB # a small one\n").unwrap();
    let path = file.path().to_str().unwrap();
    for (settings, expected) in [("tuned", "1GB"), ("defaults", "128MB"), (path, "32MB")] {
        let flags =
            format!("--rate 20 --duration 1s --warmup 0s --preload 100 --json - --settings {settings}");
        let report = json(&load_generator(&flags).output().unwrap());
        assert_eq!(report["environment"]["postgresql"]["shared_buffers"], expected, "{settings}");
    }
}
