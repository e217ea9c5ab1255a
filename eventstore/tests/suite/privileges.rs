//! What each role may do on a log, where the database gives away nothing else.

use eventstore::{Consistency, Error, ErrorKind, EventStore, Filter, NewEvent, Privilege, Start};
use serde_json::json;
use tokio::time::timeout;

use crate::fixture::Log;
use crate::groups::{self, work_off};
use crate::guarded::{Guarded, refusal};
use crate::process_script::{self, manager, settled, step, telling};
use crate::projections::{self, Sum};
use crate::recompute_script::{self, OPEN, count, script, sums_into};
use crate::subscriptions::{LONG, append, event, next, numbers, odd};

pub(crate) fn assert_lacks_right<T: std::fmt::Debug>(result: Result<T, Error>, what: &str) {
    let error = result.expect_err(what);
    assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::Invalid, Some("42501")), "{what}: {error}");
}

/// Folds all events, and saves a snapshot if it may; how many events it had to read.
async fn fold(store: &EventStore) -> usize {
    let folded = store.fold("count", &Filter::all(), 0, |count: &mut u64, _| *count += 1).save_every(1).await;
    folded.unwrap().events
}

/// Whatever is read of a log, by those who may do no more.
pub(crate) async fn read_everything(store: &EventStore, events: usize) {
    store.migrate().await.unwrap(); // there is nothing to do
    assert!(store.migration_status().await.unwrap().iter().all(|step| step.applied_at.is_some()));
    let recent = time::OffsetDateTime::now_utc() - time::Duration::days(1);
    for consistency in [Consistency::Strong, Consistency::Eventual] {
        let all = store.query(&Filter::all()).consistency(consistency).recorded_since(recent).await.unwrap();
        assert_eq!(all.len(), events);
        let one = store.query(&odd().and_any([("n", 0), ("n", 1)])).consistency(consistency).await.unwrap();
        assert_eq!(one.len(), 1);
    }
    let mut stream = store.query(&odd()).consistency(Consistency::Eventual).stream();
    let mut streamed = 0;
    while let Some(event) = stream.next().await {
        event.unwrap();
        streamed += 1;
    }
    assert!(streamed > 0);
    let mut tail = store.subscription("tail").ephemeral().start(Start::Beginning).await.unwrap();
    assert_eq!(numbers(&next(&mut tail).await.unwrap())[0], 0);
    tail.close().await;

    assert!(store.health().await.is_ready());
    assert_eq!(store.stats().await.unwrap().events, events as u64);
    assert!(store.indexed_paths().await.unwrap().top_level);
    store.subscriptions().await.unwrap();
    store.groups().await.unwrap();
    store.projections().await.unwrap();
    store.inline_projections().await.unwrap();
    store.processes().await.unwrap();
    store.recomputes(None).await.unwrap();
    store.parked_events("nobody").await.unwrap();
    store.parked_work("nobody", 10).await.unwrap();
    let mut lines = Vec::new();
    store.export().write_to(&mut lines).await.unwrap();
    assert!(!lines.is_empty());
}

/// What only the owner may do.
async fn only_the_owner(store: &EventStore, sql: &tokio_postgres::Client) {
    assert_lacks_right(store.index_path("b.c").await, "declares a path");
    assert_lacks_right(store.grant(Privilege::Writer, "postgres").await, "grants");
    assert_lacks_right(store.revoke(Privilege::Writer, "postgres").await, "revokes");
    assert_lacks_right(store.privileges().await, "lists privileges");
    for statement in [
        "INSERT INTO events SELECT 99, now(), now(), gen_random_uuid(), 'T', '{}', '{}'",
        "UPDATE events SET metadata = '{}'",
        "DELETE FROM events",
        "TRUNCATE events",
        "INSERT INTO keys VALUES (1, 1)",
        "UPDATE keys SET key = 1",
        "DELETE FROM keys",
        "TRUNCATE keys",
        "SELECT FROM events FOR UPDATE",
        "DO $$ BEGIN LOCK TABLE events IN SHARE MODE; END $$",
        "ALTER TABLE events DISABLE TRIGGER refuse_change",
        "ALTER TABLE events DISABLE TRIGGER refuse_change_of_row",
        "DROP TABLE events",
        "DELETE FROM snapshots",
        "UPDATE subscriptions SET position = 0",
        "UPDATE migrations SET works_with = 99",
        "UPDATE log SET max_event_keys = 1",
        "INSERT INTO inline_projections VALUES ('x', 'x', 0, 0)",
        "SELECT FROM imports",
        "SELECT register_inline_v1('x', 'x')",
        "SELECT renew_privileges_v1()",
        "CREATE TABLE mine (n int)",
        "CREATE TEMPORARY TABLE events (n int)",
        "SET session_replication_role = replica",
        "SELECT pg_advisory_xact_lock(1163284301, 'events'::regclass::oid::integer)",
        "SELECT pg_try_advisory_lock(1163284301, 'events'::regclass::oid::integer)",
        "SELECT pg_advisory_lock_shared(1163284301, 'events'::regclass::oid::integer)",
        "SELECT pg_advisory_unlock_all()",
        "SELECT pg_logical_emit_message(true, 'x', 'x')",
        "SELECT pg_logical_emit_message(false, 'x', bytea 'x')",
        "SELECT lo_creat(-1)",
        "SELECT lo_create(0)",
        "SELECT lo_from_bytea(0, 'x')",
    ] {
        assert_eq!(refusal(sql, statement).await, "42501", "{statement}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_appends_and_does_nothing_around_it() {
    let guarded = Guarded::new().await;
    let (owner, writer) = (guarded.store("admin").await, guarded.store("writer").await);
    let sql = guarded.sql("writer").await;
    let zero = event(0);
    let first = writer.append([zero.clone()]).await.unwrap();
    let again = writer.append([zero]).await.unwrap();
    assert_eq!(again.token(), first.token(), "once, however often it is sent");
    append(&writer, 1..3).await;
    let history = writer.query(&odd()).await.unwrap();
    let on_condition = || writer.append([NewEvent::new("Odd", json!({"n": 3}))]).fail_if_matches(&odd());
    on_condition().after(history.token()).await.unwrap();
    assert!(on_condition().after(history.token()).await.unwrap_err().is_conflict());
    let decide = |history: &eventstore::History| {
        Ok::<_, Error>(vec![NewEvent::new("Odd", json!({"n": history.len()}))])
    };
    writer.decide(&odd(), decide).await.unwrap();
    assert_eq!((fold(&writer).await, fold(&writer).await), (5, 0), "snapshots are kept");
    assert!(writer.snapshot("count", &Filter::all()).delete().await.unwrap());
    guarded.replayed().await;
    read_everything(&writer, 5).await;

    only_the_owner(&writer, &sql).await;
    let lines = "{\"id\":\"00000000-0000-4000-8000-000000000001\",\"type\":\"T\",\"occurred_at\":\"2026-01-31T09:30:00Z\",\"payload\":{}}";
    let import = writer.import().read_from(lines.as_bytes()).await.unwrap_err();
    assert!(import.to_string().contains("42501") && import.kind() == ErrorKind::Invalid, "{import}");
    assert_lacks_right(writer.subscription("s").start(Start::Beginning).await.map(drop), "subscribes");
    assert_eq!(
        refusal(&sql, "SELECT hold_subscription_v1('s', '', 0, null, true, gen_random_uuid(), '', '1s')")
            .await,
        "42501"
    );
    assert_eq!(refusal(&sql, &format!("SET ROLE {}", guarded.role("owner"))).await, "42501");

    // Another log of the same owner, in the same database.
    let other = guarded.builder("admin").schema("other").connect().await.unwrap();
    other.migrate().await.unwrap();
    append(&other, [1]).await;
    assert_eq!(refusal(&sql, "SELECT FROM other.events").await, "42501");
    let elsewhere = guarded.builder("writer").schema("other").connect().await;
    let read = async { elsewhere?.query(&Filter::all()).await };
    assert_lacks_right(read.await, "reads another log");

    assert_eq!(owner.query(&Filter::all()).await.unwrap().len(), 5, "nothing else was written");
    guarded.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_queries_and_streams_and_writes_nothing() {
    let guarded = Guarded::new().await;
    let (writer, reader) = (guarded.store("writer").await, guarded.store("reader").await);
    append(&writer, 0..4).await;
    assert_eq!(fold(&writer).await, 4);
    guarded.replayed().await;
    read_everything(&reader, 4).await;
    assert_eq!(fold(&reader).await, 0, "it uses what others have saved");

    only_the_owner(&reader, &guarded.sql("reader").await).await;
    assert_lacks_right(reader.append([NewEvent::new("T", json!({}))]).await, "appends");
    assert_lacks_right(reader.snapshot("count", &Filter::all()).delete().await, "deletes a snapshot");
    assert_lacks_right(reader.subscription("s").start(Start::Beginning).await.map(drop), "subscribes");
    assert_lacks_right(reader.consumer_group("g").start(Start::Beginning).await.map(drop), "takes part");
    assert_eq!(reader.head().await.unwrap().position().get(), 4);
    guarded.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_importer_imports_and_appends_nothing_else() {
    let (guarded, from) = (Guarded::new().await, Log::new().await);
    append(&from.store, 0..20).await;
    let mut lines = Vec::new();
    from.store.export().consistency(Consistency::Strong).write_to(&mut lines).await.unwrap();
    let importer = guarded.store("importer").await;
    let imported = importer.import().read_from(lines.as_slice()).await.unwrap();
    assert_eq!((imported.appended, imported.repeated), (20, 0));
    guarded.replayed().await;
    read_everything(&importer, 20).await;
    only_the_owner(&importer, &guarded.sql("importer").await).await;
    assert_lacks_right(importer.append([NewEvent::new("T", json!({}))]).await, "appends");
    guarded.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projector_follows_the_log_in_every_way() {
    let guarded = Guarded::new().await;
    let (writer, projector) = (guarded.store("writer").await, guarded.store("projector").await);
    append(&writer, 0..10).await;
    guarded.replayed().await;

    let mut subscription = projector.subscription("s").start(Start::Beginning).await.unwrap();
    let batch = next(&mut subscription).await.unwrap();
    batch.commit().await.unwrap();
    subscription.close().await;
    projector.reset_subscription("s", Start::Beginning).await.unwrap();
    projector.delete_subscription("s").await.unwrap();

    for group in [groups::group(&projector), groups::group(&projector).ordered_by("n")] {
        let worker = groups::begin(group).await;
        assert_eq!(work_off(&worker, 9).await.len(), 9);
        groups::next(&worker).await.park("it is not to be").await.unwrap();
        worker.close().await;
        let parked = projector.parked_events("g").await.unwrap();
        assert_eq!(projector.drop_parked("g", &[parked[0].position]).await.unwrap(), 1);
        projector.reset_group("g", Start::Beginning).await.unwrap();
        projector.delete_group("g").await.unwrap();
    }

    // Its schema is its own, which needs a right on the database that no log can give.
    let without = timeout(LONG, projections::run(&projector, &Sum::version(1))).await.unwrap().unwrap();
    let without = without.unwrap_err();
    assert_eq!(without.sqlstate(), Some("42501"), "{without}");
    let role = guarded.role("projector");
    let grant = format!("GRANT CREATE ON DATABASE {} TO {role}", guarded.database());
    guarded.sql("admin").await.batch_execute(&grant).await.unwrap();
    let running = projections::run(&projector, &Sum::version(1));
    let token = append(&writer, [11]).await;
    let sum = projector.projection(Sum::version(1));
    sum.wait_for(token, LONG).await.unwrap();
    projector.rebuild_projection("sum").await.unwrap();
    let is_rebuilt = async {
        loop {
            let status = projector.projection_status("sum").await.unwrap();
            if status.len() == 1 && status[0].is_live && status[0].generation > 1 {
                return;
            }
        }
    };
    timeout(LONG, is_rebuilt).await.expect("it was not rebuilt");
    projector.pause_projection("sum").await.unwrap();
    projector.resume_projection("sum").await.unwrap();
    running.abort();
    let _ = running.await;
    let sql = guarded.sql("projector").await;
    let shown = format!("SELECT total FROM \"{}\".sum", sum.view_schema().unwrap());
    assert_eq!(sql.query_one(&shown, &[]).await.unwrap().get::<_, i64>(0), 1 + 3 + 5 + 7 + 9 + 11);
    let deleted = async {
        // Whoever was killed counts as alive for some beats.
        while projector
            .delete_projection("sum")
            .await
            .is_err_and(|error| error.kind() == ErrorKind::Unavailable)
        {}
    };
    timeout(LONG, deleted).await.expect("it was not deleted");

    let (told, mut handled) = telling();
    let running = process_script::begin(&manager(&projector, told));
    step(&writer, 1, 1, json!({"command": "Go", "wake_in_ms": 1})).await;
    let carried_out =
        [&process_script::next(&mut handled).await.name, &process_script::next(&mut handled).await.name]
            .map(String::clone);
    assert!(
        carried_out.contains(&"Go".to_owned()) && carried_out.contains(&"Woken".to_owned()),
        "{carried_out:?}"
    );
    assert_eq!(settled(&projector).await, 0);
    running.end().await;

    sql.batch_execute(
        "CREATE SCHEMA mine; CREATE TABLE mine.shown (key text PRIMARY KEY, total bigint NOT NULL)",
    )
    .await
    .unwrap();
    let (script, _told) = script(OPEN);
    let sums = sums_into(&projector, "mine.shown".to_owned(), &script);
    let running = recompute_script::begin(&sums);
    let token = count(&writer, "a", 3).await;
    sums.wait_for("a", token, LONG).await.unwrap();
    projector.recompute_key("sums", "a").await.unwrap();
    assert_eq!(projector.recompute_all("sums").await.unwrap(), 1);
    running.end().await;
    let gone = async { while projector.delete_recomputed("sums").await.is_err() {} };
    timeout(LONG, gone).await.expect("it is held by nobody");

    assert_lacks_right(projector.append([NewEvent::new("T", json!({}))]).await, "appends");
    sql.batch_execute("DROP SCHEMA mine CASCADE").await.unwrap();
    only_the_owner(&projector, &sql).await;
    guarded.end().await;
}
