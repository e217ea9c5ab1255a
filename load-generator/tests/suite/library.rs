//! What the library is asked, and what it says.

use serde_json::Value;
use testutil::TestSchema;

use crate::{assert_adds_up, count, json, of_operations, on};

fn run(schema: &TestSchema, flags: &str) -> Value {
    let flags = format!("--rate 100 --duration 1s --warmup 0s --timeout 20s --preload 500 --json - {flags}");
    let report = json(&on(schema, &flags).output().unwrap());
    assert_adds_up(&report);
    assert_eq!(count(&report, "completed"), 100, "{report:#}");
    report
}

async fn events_of(schema: &TestSchema, event_type: &str) -> u64 {
    let sql = testutil::connect(schema.primary()).await.unwrap();
    let text = format!("SELECT count(*) FROM {}.events WHERE event_type = $1", schema.name());
    let count: i64 = sql.query_one(&text, &[&event_type]).await.unwrap().get(0);
    u64::try_from(count).unwrap()
}

#[tokio::test]
async fn a_closed_library_refuses_all_but_returns_and_events_say_so_if_they_should() {
    let schema = TestSchema::new();
    // It closes some nanoseconds after the load began.
    let closed = "--opening-hours 0-0.0000000001/1h --failures";
    let mut failed = 0;
    for failures in ["refusals", "events"] {
        let report = run(&schema, &format!("{closed} {failures}"));
        let of = |operation: &str, field: &str| of_operations(&report, field)[operation];
        assert_eq!(of("lend_book", "refused"), of("lend_book", "count"), "{report:#}");
        assert_eq!(of("lend_book", "effective"), 0, "{report:#}");
        assert!(of("return_book", "effective") > 0, "{report:#}");
        assert_eq!(report["load"]["scenario"]["failures"], failures);
        assert_eq!(report["load"]["scenario"]["opening-hours"], "0-0.0000000001/1h");
        failed += if failures == "events" { of("lend_book", "refused") } else { 0 };
        assert_eq!(events_of(&schema, "LendingBookToReaderFailed").await, failed, "{report:#}");
    }
}

#[test]
fn the_share_of_queries_is_as_asked_for() {
    let schema = TestSchema::new();
    let queries = |report: &Value| -> u64 {
        let counts = of_operations(report, "count");
        ["reader_loans", "books_in_circulation"].iter().filter_map(|name| counts.get(*name)).sum()
    };
    let all = run(&schema, "--read-ratio 1");
    assert_eq!(queries(&all), 100, "{all:#}");
    assert!(all["effective_share"].is_null(), "{all:#}");
    // Each was read on the replica.
    assert!(all["staleness"]["reads"].as_u64().unwrap() > 0, "{all:#}");
    let none = run(&schema, "--read-ratio 0");
    assert_eq!((queries(&none), &none["staleness"]["reads"]), (0, &0.into()), "{none:#}");
}
