//! Clients that send their next request when the last one is answered.

use testutil::TestSchema;

use crate::running::Running;
use crate::{assert_adds_up, count, json, null, on};

#[test]
fn nothing_waits_in_a_closed_loop_and_nothing_is_rejected() {
    let report = json(&null("--clients 4 --duration 500ms --warmup 100ms --json -").output().unwrap());
    assert_adds_up(&report);
    let load = &report["load"];
    assert_eq!(load["workers"], 4);
    assert!(load["queue"].is_null() && load["arrivals"].is_null(), "{load}");
    assert!(count(&report, "completed") > 0, "{report:#}");
    assert_eq!(count(&report, "completed"), count(&report, "scheduled"));
    assert_eq!(report["late_starts"], 0);
}

#[test]
fn clients_of_a_store_are_as_fast_as_it_answers() {
    let schema = TestSchema::new();
    let flags = "--clients 4 --duration 1s --warmup 0s --timeout 20s --preload 500 --json -";
    let report = json(&on(&schema, flags).output().unwrap());
    assert_adds_up(&report);
    assert!(count(&report, "completed") > 0, "{report:#}");
    let seconds = report["timeline"].as_array().unwrap();
    let in_flight = seconds.iter().map(|second| second["in_flight"].as_u64().unwrap());
    assert_eq!(in_flight.max(), Some(4), "{report:#}");
}

/// The engine answers without waiting: clients that never let anybody else have their thread would not hear the signal.
#[test]
fn an_interrupt_ends_a_closed_loop() {
    let running = Running::start(null("--clients 4 --duration 10m --warmup 0s --json -"));
    running.interrupt();
    let report = running.report();
    assert_adds_up(&report);
    assert!(count(&report, "completed") > 0 && report["duration_s"].as_f64().unwrap() < 300.0, "{report:#}");
    assert!(report["marks"].as_array().unwrap().iter().any(|mark| mark["kind"] == "interrupted"));
}
