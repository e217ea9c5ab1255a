//! Several loads, one after the other, in one report.

use crate::{assert_adds_up, count, json, null, said};

#[test]
fn repeats_are_reported_together_and_each_by_itself() {
    let flags = "--rate 100 --duration 1s --warmup 300ms --repeats 2 --json -";
    let report = json(&null(flags).output().unwrap());
    // Also the first requests after each warm-up.
    assert_adds_up(&report);
    assert_eq!(count(&report, "scheduled"), 200, "{report:#}");
    let repeats = report["repeats"].as_array().unwrap();
    let scheduled: Vec<_> = repeats.iter().map(|repeat| repeat["requests"]["scheduled"].as_u64()).collect();
    assert_eq!(scheduled, [Some(100), Some(100)]);
    let measured: u64 = repeats.iter().map(|repeat| repeat["latency"]["count"].as_u64().unwrap()).sum();
    assert_eq!(Some(measured), report["latency"]["count"].as_u64());

    let seconds: Vec<u64> = report["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|second| second["at_s"].as_u64().unwrap())
        .collect();
    assert_eq!(seconds, (0..seconds.len() as u64).collect::<Vec<_>>(), "one after the other");
    let marks = report["marks"].as_array().unwrap();
    let begins: Vec<f64> = marks
        .iter()
        .filter(|mark| mark["kind"] == "repeat")
        .map(|mark| mark["at_s"].as_f64().unwrap())
        .collect();
    assert!(begins.len() == 2 && begins[0] == 0.0 && begins[1] >= 1.0, "{marks:?}");
    assert!(begins[1] < seconds.len() as f64, "{marks:?}");
}

#[test]
fn nodes_can_not_repeat_together() {
    let said = said(&null("--repeats 2 --node 1/2").output().unwrap(), 2);
    assert!(said.contains("--repeats: not with --node"), "{said}");
}
