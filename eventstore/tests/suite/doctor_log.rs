//! What the doctor says of a log whose appends wait, or leave something out.

#![cfg(feature = "cli")]

use std::time::Instant;

use eventstore::NewEvent;
use serde_json::{Value, json};
use testutil::Cluster;
use tokio::time::timeout;

use crate::cli::{eventstore, on, succeed};
use crate::fixture::Log;
use crate::inline_projections::{assert_all_counted, counting};
use crate::subscriptions::LONG;

/// The findings on a log.
fn examine(log: &Log) -> Vec<Value> {
    let output = on(log, "doctor --json").output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    told["findings"].as_array().unwrap().clone()
}

/// The mend of the one finding whose check and text are these; `None` if there is none.
fn mend(findings: &[Value], check: &str, words: &str) -> Option<String> {
    let is_it = |finding: &&Value| finding["check"] == check && finding.to_string().contains(words);
    let mut found = findings.iter().filter(is_it);
    let mend = found.next()?["mend"].as_str().unwrap().to_owned();
    assert_eq!(found.count(), 0, "it is told twice: {findings:#?}");
    Some(mend)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_keeps_the_lock_of_the_log_is_told_in_a_transaction_or_not() {
    let log = Log::new().await;
    let sql = log.sql().await;
    let lock = format!("(1163284301, '{}.events'::regclass::oid::integer)", log.schema.name());
    for (words, take) in [
        ("in no transaction", format!("SELECT pg_advisory_lock{lock}")),
        (", in a transaction", format!("BEGIN; SELECT pg_advisory_xact_lock{lock}")),
    ] {
        let holder = log.sql().await;
        holder.batch_execute(&take).await.unwrap();
        // Whoever does nothing for a second is no append: until then nothing is told.
        let began = Instant::now();
        let line = loop {
            let findings = examine(&log);
            if let Some(line) = mend(&findings, "log", words) {
                break line;
            }
            assert!(began.elapsed() < LONG, "{findings:#?}");
        };
        sql.batch_execute(&line).await.unwrap();
        log.store.append([NewEvent::new("T", json!({}))]).await.unwrap();
        assert_eq!(mend(&examine(&log), "log", "holds the lock"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inline_projection_that_is_not_called_is_told_and_the_line_mends_it() {
    let log = counting().await;
    let (sql, schema) = (log.sql().await, log.schema.name());
    assert_eq!(mend(&examine(&log), "triggers", "call_inline"), None);
    sql.batch_execute(&format!("DROP TRIGGER call_inline ON {schema}.events")).await.unwrap();
    let findings = examine(&log);
    let line = mend(&findings, "triggers", "call_inline").unwrap_or_else(|| panic!("{findings:#?}"));
    let line = line.strip_prefix("eventstore ").unwrap();
    succeed(eventstore(line).args(["--primary", log.schema.primary()]));
    log.store.append([NewEvent::new("T", json!({}))]).await.unwrap();
    assert_all_counted(&log).await;

    sql.batch_execute(&format!("DROP FUNCTION {schema}.count_types(bigint, bigint)")).await.unwrap();
    let findings = examine(&log);
    let line = mend(&findings, "log", "every append is refused").unwrap_or_else(|| panic!("{findings:#?}"));
    log.store.append([NewEvent::new("T", json!({}))]).await.unwrap_err();
    succeed(
        eventstore(line.split("it: eventstore ").nth(1).unwrap()).args(["--primary", log.schema.primary()]),
    );
    log.store.append([NewEvent::new("T", json!({}))]).await.unwrap();
}

/// Many transactions that work are older than one that was forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_transaction_is_not_hidden_by_those_that_work() {
    let cluster = tokio::task::spawn_blocking(|| Cluster::builder().start()).await.unwrap().unwrap();
    let dsn = cluster.primary().dsn();
    let mut working = Vec::new();
    for _ in 0..6 {
        let session = testutil::connect(&dsn).await.unwrap();
        session.batch_execute("BEGIN").await.unwrap();
        working.push(tokio::spawn(async move { session.batch_execute("SELECT pg_sleep(600)").await }));
    }
    let forgotten = testutil::connect(&dsn).await.unwrap();
    forgotten.batch_execute("BEGIN; SELECT 1").await.unwrap();
    let look = testutil::connect(&dsn).await.unwrap();
    let are_there = "SELECT count(*) FILTER (WHERE state = 'active' AND query LIKE '%pg_sleep(600)') = 6
                        AND count(*) FILTER (WHERE state = 'idle in transaction' AND state_change < clock_timestamp() - interval '50 milliseconds') = 1
                     FROM pg_stat_activity WHERE pid <> pg_backend_pid()";
    let arrived = async { while !look.query_one(are_there, &[]).await.unwrap().get::<_, bool>(0) {} };
    timeout(LONG, arrived).await.expect("six work, and one was forgotten");
    let statement = include_str!("../../src/cli/doctor/sql/transactions.sql");
    let statement = statement.replace("interval '1 minute'", "interval '50 milliseconds'");
    let rows = look.query(&statement, &[]).await.unwrap();
    let states: Vec<&str> = rows.iter().map(|row| row.get("state")).collect();
    assert_eq!(states, ["idle in transaction", "active", "active", "active", "active"]);
    for working in working {
        working.abort();
    }
}
