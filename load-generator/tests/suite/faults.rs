//! Servers that die or freeze under a run.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use serde_json::Value;
use testutil::{Cluster, Signal};

use crate::running::Running;
use crate::{assert_adds_up, count, load_generator};

fn start(cluster: &Cluster, flags: &str) -> Running {
    let mut command = load_generator(&format!("{flags} --warmup 0s --preload 500 --json -"));
    command.args(["--primary", &cluster.primary().dsn()]);
    Running::start(command)
}

#[test]
fn a_run_outlives_its_server_and_says_what_went_wrong() {
    let mut cluster = Cluster::builder().start().unwrap();
    let running = start(&cluster, "--rate 100 --duration 8s --timeout 500ms");
    cluster.primary_mut().crash();
    let report = running.report();
    assert_adds_up(&report);
    assert_eq!(count(&report, "scheduled"), 800, "the schedule does not wait for the system");
    assert!(report["duration_s"].as_f64().unwrap() >= 8.0, "{report:#}");
    assert!(count(&report, "completed") > 0 && count(&report, "errors") > 0, "{report:#}");
    for kind in report["errors"].as_array().unwrap() {
        assert!(!kind["kind"].as_str().unwrap().is_empty(), "{kind}");
        assert!(!kind["example"].as_str().unwrap().is_empty(), "{kind}");
    }
    let marks = report["marks"].as_array().unwrap();
    let unreachable = marks.iter().find(|mark| mark["kind"] == "unreachable").unwrap();
    assert!(unreachable["until_s"].is_null(), "it never came back: {report:#}");
    assert_eq!(report["timeline"].as_array().unwrap().last().unwrap()["primary_answers"], false);
    assert!(report["servers"][0]["after"].is_null(), "{report:#}");
    assert!(!report["warnings"].as_array().unwrap().is_empty());
}

/// Its sessions are gone when the second repeat begins, and can not be had again.
#[test]
fn what_was_measured_before_a_server_died_is_reported() {
    let mut cluster = Cluster::builder().start().unwrap();
    let running = start(&cluster, "--engine cte --rate 50 --duration 2s --repeats 2 --timeout 300ms");
    cluster.primary_mut().crash();
    let report = running.report();
    assert_adds_up(&report);
    let repeats = report["repeats"].as_array().unwrap();
    assert_eq!(repeats.len(), 2, "{report:#}");
    let [first, second] = [0, 1].map(|nth| repeats[nth]["requests"]["completed"].as_u64().unwrap());
    assert!(first > 0 && second == 0, "{report:#}");
}

/// Of the latencies in a report, how many are longer.
fn longer_than(latencies: &Value, than: Duration) -> u64 {
    let bytes = BASE64.decode(latencies["hdr"].as_str().unwrap()).unwrap();
    let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
    histogram.len() - histogram.count_between(0, u64::try_from(than.as_micros()).unwrap())
}

/// Requests are due while a server is frozen, whether or not somebody has time to send them.
#[test]
fn a_freeze_is_seen_by_all_requests_that_were_due_in_it() {
    let cluster = Cluster::builder().start().unwrap();
    let (rate, workers) = (100_u32, 4);
    let flags = format!("--rate {rate} --duration 10m --workers {workers} --queue 3000 --timeout 5s");
    let mut running = start(&cluster, &flags);
    cluster.primary().signal(Signal::SIGSTOP).unwrap();
    let began = Instant::now();
    // A second, and half of one, but for those that waited before.
    running.wait_until("load_generator_queue_depth", |queued| queued >= 150.0);
    let frozen = began.elapsed();
    cluster.primary().signal(Signal::SIGCONT).unwrap();
    running.wait_until("load_generator_queue_depth", |queued| queued < 10.0);
    running.interrupt();
    let report = running.report();
    assert_adds_up(&report);
    // The last ones waited when the run was told to end.
    assert!(count(&report, "rejected") <= 20, "{report:#}");
    let half = frozen / 2;
    // Those that were due in its first half, but for one at each end and one in the bucket of the bound.
    let due = (half.as_secs_f64() * f64::from(rate)) as u64;
    let [corrected, uncorrected] = ["latency", "service"].map(|of| longer_than(&report[of], half));
    assert!(corrected + 3 >= due, "{corrected} of {due} in {frozen:?}: {report:#}");
    // Each worker was held up by one, and a busy machine may hold up some more.
    assert!(uncorrected >= 1 && uncorrected * 3 < corrected, "{uncorrected} and {corrected} in {frozen:?}");
}
