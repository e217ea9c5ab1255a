//! Limits that a run has to hold.

use serde_json::Value;

use crate::{load_generator, null, said};

/// How a short run without a server held these limits; it ended with this status.
fn held(limits: &str, more: &str, status: i32) -> (Value, String) {
    let mut command = null(&format!("--rate 50 --duration 300ms --warmup 0s --json -{more}"));
    let output = command.args(["--slo", limits]).output().unwrap();
    let printed = said(&output, status);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    (report["slo"].clone(), printed)
}

#[test]
fn limits_that_hold_end_well() {
    let (slo, printed) = held("p99<10m,rate>=1,errors<1%", "", 0);
    assert_eq!(slo["held"], true, "{slo:#}");
    let checks = slo["checks"].as_array().unwrap();
    let limits: Vec<&str> = checks.iter().map(|check| check["limit"].as_str().unwrap()).collect();
    assert_eq!(limits, ["p99<10m", "rate>=1", "errors<1%"]);
    assert!(printed.contains("held      errors<1%: 0.000 %") && !printed.contains("BROKEN"), "{printed}");
}

#[test]
fn one_that_is_broken_is_a_status_of_its_own() {
    let (slo, printed) = held("rate>1000,errors<1%", "", 3);
    assert_eq!(slo["held"], false, "{slo:#}");
    assert_eq!((&slo["checks"][0]["held"], &slo["checks"][1]["held"]), (&false.into(), &true.into()));
    assert!(printed.contains("BROKEN    rate>1000: "), "{printed}");
}

#[test]
fn what_was_not_measured_holds_no_limit() {
    let (slo, printed) = held("lend_book.p99<10m", " --read-ratio 1", 3);
    assert!(slo["held"] == false && slo["checks"][0]["measured"].is_null(), "{slo:#}");
    assert!(printed.contains("nothing was measured"), "{printed}");
}

#[test]
fn a_limit_that_is_not_understood_is_marked_where_it_is_wrong() {
    for (limits, wrong, expected) in [
        ("p99<20ms,errors<banana", "banana", "a share in percent"),
        ("p99<20ms,p9x<5ms", "p9x", "no figure"),
        ("p99<20ms, rate", "rate", "with < or >"),
        ("p99<20,errors<1%", "20,", "a time with its unit"),
    ] {
        let said = said(&load_generator("--slo").arg(limits).output().unwrap(), 2);
        assert!(said.contains(expected), "{said}");
        let mut lines = said.lines().skip_while(|line| *line != format!("  {limits}"));
        assert!(lines.next().is_some(), "{limits} is not shown: {said}");
        let place = limits.find(wrong).map(|place| place + 2);
        assert_eq!(lines.next().unwrap().find('^'), place, "{said}");
    }
}
