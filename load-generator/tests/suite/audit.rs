//! Runs whose history is checked: what keeps its promises, and what is caught.

use serde_json::Value;
use testutil::TestSchema;

use crate::{assert_adds_up, count, json, load_generator, on};

/// The log is made anew in a schema of the engine: no two tests may use one engine.
fn seats(flags: &str) -> (i32, Value, String) {
    let schema = TestSchema::new();
    let mut command = load_generator("run --scenario seats --audit --json -");
    let output = command.args(["--primary", schema.primary()]).args(flags.split(' ')).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    (output.status.code().unwrap(), report, said)
}

#[test]
fn no_seat_is_sold_twice_by_the_store_from_two_processes() {
    let (status, report, said) = seats("--engine eventstore --seats 40 --clients 16 --processes 2");
    assert_eq!((status, report["audit"]["violations"].as_u64()), (0, Some(0)), "{said}");
    assert_eq!((report["taken"].as_u64(), report["errors"].as_u64()), (Some(40), Some(0)));
    let [appends, left] = ["appends", "left"].map(|field| report[field].as_u64().unwrap());
    assert_eq!(appends + left, 40 * 16, "every client fought for every seat");
    // Every append, and every read before one.
    assert!(report["audit"]["operations"].as_u64().unwrap() >= appends + left);
    assert!(said.contains("every promise kept"), "{said}");
}

#[test]
fn a_check_and_an_insert_in_one_statement_is_caught() {
    let (status, report, said) = seats("--engine cte --seats 400 --clients 16");
    assert_eq!(status, 4, "{said}");
    assert!(report["taken"].as_u64().unwrap() > 400);
    assert!(said.contains("a condition is broken") && said.contains("unless SeatTaken(Seat="), "{said}");
}

#[test]
fn a_lock_inside_the_checking_statement_is_caught() {
    let (status, _, said) = seats("--engine lock-inside --seats 400 --clients 16");
    assert_eq!(status, 4, "{said}");
    assert!(said.contains("a condition is broken"), "{said}");
}

#[test]
fn a_lock_before_the_statement_and_serializable_keep_what_they_promise() {
    for engine in ["lock", "serializable"] {
        let (status, report, said) = seats(&format!("--engine {engine} --seats 40 --clients 16"));
        assert_eq!((status, report["taken"].as_u64()), (0, Some(40)), "{engine}: {said}");
    }
}

#[test]
fn a_run_of_the_library_is_audited_through_any_engine() {
    let schema = TestSchema::new();
    for engine in ["eventstore", "serializable", "lock"] {
        let flags = "--rate 300 --duration 1s --warmup 0s --preload 2000 --workers 8 --audit --json -";
        let report = json(&on(&schema, flags).args(["--engine", engine]).output().unwrap());
        assert_adds_up(&report);
        assert_eq!((&report["engine"], count(&report, "completed")), (&engine.into(), 300), "{report:#}");
        let [operations, violations] =
            ["operations", "violations"].map(|field| report["audit"][field].as_u64());
        assert_eq!(violations, Some(0), "{engine}: {report:#}");
        // A read and an append for almost each request.
        assert!(operations.unwrap() > 450, "{engine}: {report:#}");
    }
}

/// Few readers and books, and many requests at once: some meet.
#[test]
fn an_audit_of_the_library_finds_what_plain_inserts_break() {
    let schema = TestSchema::new();
    let flags =
        "--rate 3000 --duration 2s --warmup 0s --preload 0 --workers 100 --queue 1000 --audit --json -";
    let output = on(&schema, flags).args(["--engine", "insert"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("a condition is broken"), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["audit"]["violations"].as_u64().unwrap() > 0);
}
