//! More load than the log takes: what is rejected, and what is given up on.

use testutil::{Session, TestSchema};

use crate::running::Running;
use crate::{assert_adds_up, count, on};

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
    let mut running = Running::start(on(&schema, flags));
    // With the log's lock taken, four workers wait and eight requests are queued: the next ones find no place.
    let locker = hold_lock(&schema).await;
    running.wait_until("load_generator_backpressure_total", |rejected| rejected >= 100.0);
    // A request that finds no place is counted for a moment.
    running.wait_until("load_generator_queue_depth", |queued| queued == 8.0);
    locker.execute("SELECT pg_advisory_unlock_all()", &[]).await.unwrap();
    let report = running.report();
    assert_adds_up(&report);
    assert_eq!(count(&report, "scheduled"), 1_500, "the schedule does not wait for the system");
    assert!(count(&report, "rejected") >= 100, "{report:#}");
    assert!(report["latency"]["max_ms"].as_f64().unwrap() < 2_500.0, "the queue is bounded: {report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn time_outs_count_as_latency() {
    let schema = TestSchema::new();
    let flags = "--rate 50 --duration 3s --warmup 0s --timeout 300ms --preload 500 --json -";
    let mut running = Running::start(on(&schema, flags));
    let lock = hold_lock(&schema).await;
    let timed_out = "load_generator_requests_total{operation=\"lend_book\",outcome=\"timeout\"}";
    running.wait_until(timed_out, |count| count >= 5.0);
    lock.execute("SELECT pg_advisory_unlock_all()", &[]).await.unwrap();
    let report = running.report();
    assert_adds_up(&report);
    assert!(count(&report, "timeouts") >= 5, "{report:#}");
    assert!(report["latency"]["max_ms"].as_f64().unwrap() >= 300.0, "{report:#}");
}
