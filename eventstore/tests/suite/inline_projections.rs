//! What inline projections promise: what they write is there with the events, or not at all.

use eventstore::{Error, ErrorKind, EventStore, NewEvent};
use futures_util::future::join_all;
use serde_json::json;
use tokio_postgres::Client;

use crate::fixture::{self, Log};
use crate::subscriptions::{append, event, odd};

/// A log, and a function in its schema that counts events by their type.
pub(crate) async fn log() -> Log {
    let log = Log::new().await;
    let schema = log.schema.name();
    let count = format!(
        "CREATE TABLE {schema}.counted (type text PRIMARY KEY, events bigint NOT NULL);
         CREATE FUNCTION {schema}.count_types(first bigint, last bigint) RETURNS void
         LANGUAGE sql SET search_path = {schema}, pg_temp
         AS $$
             INSERT INTO counted AS c (type, events)
             SELECT e.event_type, count(*) FROM events e WHERE e.position BETWEEN first AND last
             GROUP BY e.event_type ORDER BY e.event_type
             ON CONFLICT (type) DO UPDATE SET events = c.events + excluded.events
         $$"
    );
    log.sql().await.batch_execute(&count).await.unwrap();
    log
}

/// The same, with the function registered as `count`.
pub(crate) async fn counting() -> Log {
    let log = log().await;
    register(&log, "count", "count_types").await.unwrap();
    log
}

pub(crate) async fn register(log: &Log, name: &str, function: &str) -> Result<u64, Error> {
    let function = format!("{}.{function}", log.schema.name());
    log.store.register_inline_projection(name, &function).await.map(|after| after.get())
}

async fn types(sql: &Client, query: &str) -> Vec<(String, i64)> {
    let rows = sql.query(query, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// What was counted, and what there is.
async fn compared(log: &Log) -> (Vec<(String, i64)>, Vec<(String, i64)>) {
    let (sql, schema) = (log.sql().await, log.schema.name());
    let counted = format!("SELECT type, events FROM {schema}.counted ORDER BY type COLLATE \"C\"");
    let there =
        format!("SELECT event_type, count(*) FROM {schema}.events GROUP BY event_type ORDER BY event_type");
    (types(&sql, &counted).await, types(&sql, &there).await)
}

pub(crate) async fn assert_all_counted(log: &Log) {
    let (counted, there) = compared(log).await;
    assert_eq!(counted, there);
}

async fn triggers(log: &Log) -> i64 {
    let count = format!(
        "SELECT count(*) FROM pg_trigger WHERE tgrelid = '{}.events'::regclass AND tgname = 'call_inline'",
        log.schema.name()
    );
    log.sql().await.query_one(&count, &[]).await.unwrap().get(0)
}

pub(crate) async fn head(log: &Log) -> u64 {
    log.store.head().await.unwrap().position().get()
}

/// Appends by several tasks of two handles, in batches and of several events; how many events.
async fn append_by_many(log: &Log) -> u64 {
    let other = log.handle().await;
    let appender = |task: u64, store: EventStore| async move {
        for n in 0..20 {
            append(&store, (0..=task % 3).map(|more| n + more)).await;
        }
        20 * (task % 3 + 1)
    };
    let stores = (0..24)
        .map(|task: u64| (task, if task.is_multiple_of(3) { log.store.clone() } else { other.clone() }));
    let tasks: Vec<_> = stores.map(|(task, store)| tokio::spawn(appender(task, store))).collect();
    join_all(tasks).await.into_iter().map(|appended| appended.unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_counted_once_whoever_appends_it() {
    let log = counting().await;
    let appended = append_by_many(&log).await;
    assert_eq!(head(&log).await, appended);
    assert_all_counted(&log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_appended_again_or_refused_is_not_counted() {
    let log = counting().await;
    let events = [event(1), event(2)];
    let first = log.store.append(events.clone()).await.unwrap();
    let again = log.store.append(events).await.unwrap();
    assert!(again.is_repeated() && again.token() == first.token());
    let refused = log.store.append([event(3)]).fail_if_matches(&odd()).await.unwrap_err();
    assert!(refused.is_conflict(), "{refused}");
    let odd_and_even = |n| vec![("Even".to_owned(), n), ("Odd".to_owned(), n)];
    assert_eq!(compared(&log).await, (odd_and_even(1), odd_and_even(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn imports_are_counted() {
    let (from, to) = (Log::new().await, counting().await);
    for first in [0, 800, 1_600] {
        append(&from.store, first..first + 800).await;
    }
    let mut lines = Vec::new();
    from.replayed().await;
    from.store.export().write_to(&mut lines).await.unwrap();
    for appended in [2_400, 0] {
        let imported = to.store.import().read_from(lines.as_slice()).await.unwrap();
        assert_eq!(imported.appended, appended);
        assert_all_counted(&to).await;
    }
    assert_eq!(head(&to).await, 2_400);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_called_that_was_unregistered() {
    let log = counting().await;
    register(&log, "again", "count_types").await.unwrap();
    append(&log.store, [1]).await;
    assert_eq!(compared(&log).await.0, [("Odd".to_owned(), 2)]);
    log.store.unregister_inline_projection("again").await.unwrap();
    assert_eq!(triggers(&log).await, 1);
    append(&log.store, [3]).await;
    log.store.unregister_inline_projection("count").await.unwrap();
    assert_eq!(triggers(&log).await, 0);
    append(&log.store, [5]).await;
    assert_eq!(compared(&log).await.0, [("Odd".to_owned(), 3)]);
    assert!(log.store.inline_projections().await.unwrap().is_empty());
    let missing = log.store.unregister_inline_projection("count").await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Invalid, "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_functions_are_checked() {
    let log = counting().await;
    let schema = log.schema.name();
    let others = format!(
        "CREATE FUNCTION {schema}.of_one(first bigint) RETURNS void LANGUAGE sql AS '';
         CREATE FUNCTION {schema}.other(first bigint, last bigint) RETURNS void LANGUAGE sql AS '';
         CREATE PROCEDURE {schema}.procedure(first bigint, last bigint) LANGUAGE sql AS ''"
    );
    log.sql().await.batch_execute(&others).await.unwrap();
    let long = "n".repeat(256);
    for (name, function) in [
        ("new", "missing"),
        ("new", "of_one"),
        ("new", "procedure"),
        ("new", "other(bigint,bigint)"),
        ("new", "other; DROP TABLE events"),
        ("count", "other"),
        ("", "other"),
        (long.as_str(), "other"),
    ] {
        let refused = register(&log, name, function).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{name}, {function}: {refused}");
    }
    let other = register(&log, "count", "other").await.unwrap_err().to_string();
    assert!(other.contains("inline projection count calls") && other.contains("unregister"), "{other}");
    let registered = log.store.inline_projections().await.unwrap();
    assert_eq!(registered.iter().map(|inline| inline.name.as_str()).collect::<Vec<_>>(), ["count"]);
    append(&log.store, [1]).await;
    assert_all_counted(&log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_of_the_log_registers() {
    let log = log().await;
    let (sql, schema) = (log.sql().await, log.schema.name());
    let (role, password) = (format!("{schema}_writer"), log.schema.password());
    let grants = format!(
        "CREATE ROLE {role} LOGIN PASSWORD '{password}'; GRANT USAGE ON SCHEMA {schema} TO {role};
         GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role};
         GRANT EXECUTE ON FUNCTION {schema}.append_v1, {schema}.register_inline_v1, {schema}.unregister_inline_v1,
             {schema}.require_read_committed_v1, {schema}.inline_function_v1 TO {role}"
    );
    sql.batch_execute(&grants).await.unwrap();
    let dsn = log.schema.primary().replace("user=postgres", &format!("user={role}"));
    let writer = fixture::store().primary(dsn).schema(schema).connect().await.unwrap();
    let function = format!("{schema}.count_types");
    let refused = writer.register_inline_projection("count", &function).await.unwrap_err();
    // The functions that a writer's appends call are the owner's affair, and their tables too.
    register(&log, "count", "count_types").await.unwrap();
    let appended = writer.append([event(1)]).await;
    let kept = writer.unregister_inline_projection("count").await.unwrap_err();
    writer.close().await.unwrap();
    sql.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.unwrap();
    assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
    assert_eq!((kept.kind(), kept.sqlstate()), (ErrorKind::Invalid, Some("42501")), "{kept}");
    appended.unwrap();
    assert_all_counted(&log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before_is_told_and_can_be_brought_in() {
    let log = log().await;
    append(&log.store, 0..3).await;
    assert_eq!(register(&log, "count", "count_types").await.unwrap(), 3);
    log.store.append([NewEvent::new("Other", json!({}))]).await.unwrap();
    assert_eq!(compared(&log).await.0, [("Other".to_owned(), 1)]);
    assert_eq!(register(&log, "count", "count_types").await.unwrap(), 3, "as it was");
    let listed = log.store.inline_projections().await.unwrap();
    assert_eq!((listed.len(), listed[0].name.as_str(), listed[0].after.get()), (1, "count", 3));
    assert!(listed[0].is_callable && listed[0].function.contains("count_types(bigint,bigint)"), "{listed:?}");
    let bring_in = format!("SELECT {}.count_types(1, 3)", log.schema.name());
    log.sql().await.batch_execute(&bring_in).await.unwrap();
    assert_all_counted(&log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn registering_and_bringing_in_may_be_one_transaction_beside_appends() {
    let log = log().await;
    append(&log.store, 0..50).await;
    let schema = log.schema.name();
    let register = async {
        let mut sql = log.sql().await;
        let transaction = sql.transaction().await.unwrap();
        let register = format!("SELECT {schema}.register_inline_v1('count', '{schema}.count_types')");
        let after: i64 = transaction.query_one(&register, &[]).await.unwrap().get(0);
        let bring_in = format!("SELECT {schema}.count_types(1, $1)");
        transaction.execute(&bring_in, &[&after]).await.unwrap();
        transaction.commit().await.unwrap();
    };
    let (appended, ()) = tokio::join!(append_by_many(&log), register);
    assert_eq!(head(&log).await, 50 + appended);
    assert_all_counted(&log).await;
}
