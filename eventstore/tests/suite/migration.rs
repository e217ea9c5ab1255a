//! Making a log, by many at once, and what is refused.

use eventstore::{ErrorKind, Filter, NewEvent, Privilege};
use futures_util::future::join_all;
use serde_json::json;
use testutil::TestSchema;
use testutil::proxy::{Proxy, Toward};
use tokio::time::timeout;

use crate::fixture::{self, Log, builder};
use crate::subscriptions::LONG;

#[tokio::test(flavor = "multi_thread")]
async fn many_handles_migrate_at_once() {
    let schema = TestSchema::new();
    let stores = join_all((0..12).map(|_| builder(&schema).connect())).await;
    let migrations = stores.into_iter().map(|store| async move {
        let store = store.unwrap();
        store.migrate().await.unwrap();
        store.append([NewEvent::new("Started", json!({}))]).await.unwrap();
    });
    join_all(migrations.map(tokio::spawn)).await.into_iter().for_each(|result| result.unwrap());
    let store = builder(&schema).connect().await.unwrap();
    assert_eq!(store.head().await.unwrap().position().get(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_was_never_migrated_says_so() {
    let schema = TestSchema::new();
    let store = builder(&schema).connect().await.unwrap();
    let append = store.append([NewEvent::new("T", json!({}))]).await.unwrap_err();
    let query = store.query(&Filter::all()).await.unwrap_err();
    for error in [append, query] {
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("migrate()"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_is_refused_only_if_it_needs_a_newer_library() {
    let log = Log::new().await;
    let migrations = format!("{}.migrations", log.schema.name());
    let newer = format!("INSERT INTO {migrations} VALUES (99, 'the future', 'x', 1)");
    log.sql().await.batch_execute(&newer).await.unwrap();
    let old = log.handle().await;
    old.migrate().await.unwrap();
    old.append([NewEvent::new("T", json!({}))]).await.unwrap();

    let breaking = format!("UPDATE {migrations} SET works_with = 98 WHERE version = 99");
    log.sql().await.batch_execute(&breaking).await.unwrap();
    let error = builder(&log.schema).connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("version 99") && error.to_string().contains("upgrade"), "{error}");
    assert_eq!(log.store.migrate().await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_applied_migration_must_not_change() {
    let log = Log::new().await;
    let tamper = format!("UPDATE {}.migrations SET checksum = 'other'", log.schema.name());
    log.sql().await.batch_execute(&tamper).await.unwrap();
    let error = log.store.migrate().await.unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("checksum"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_indexed_paths_belong_to_the_log() {
    let log = Log::with(|builder| builder.index_only(["BookID"])).await;
    // Nothing said: whatever the log has.
    log.handle().await.migrate().await.unwrap();
    let other = builder(&log.schema).index_only(["BookID", "ReaderID"]).connect().await.unwrap();
    let error = other.migrate().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("[\"BookID\"]"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_odd_schema_name_is_quoted() {
    let schema = TestSchema::new();
    let name = format!("{}\"é;{{ascending}}{{hits}}", schema.name());
    let store = fixture::store().primary(schema.primary()).schema(&name).connect().await.unwrap();
    store.migrate().await.unwrap();
    store.append([NewEvent::new("T", json!({"a": 1}))]).await.unwrap();
    assert_eq!(store.query(&Filter::where_all([("a", 1)])).await.unwrap().len(), 1);
    let drop = format!("DROP SCHEMA \"{}\" CASCADE", name.replace('"', "\"\""));
    testutil::connect(schema.primary()).await.unwrap().batch_execute(&drop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_needs_few_rights_and_a_reader_fewer() {
    let log = Log::new().await;
    let (schema, role, password) = (log.schema.name(), log.schema.name(), log.schema.password());
    let roles = format!(
        "CREATE ROLE {role}_writer LOGIN PASSWORD '{password}'; CREATE ROLE {role}_reader LOGIN PASSWORD '{password}'"
    );
    let owner = log.sql().await;
    owner.batch_execute(&roles).await.unwrap();
    log.store.grant(Privilege::Writer, &format!("{role}_writer")).await.unwrap();
    log.store.grant(Privilege::Reader, &format!("{role}_reader")).await.unwrap();
    let as_role = |kind: &str| {
        let dsn = log.schema.primary().replace("user=postgres", &format!("user={role}_{kind}"));
        fixture::store().primary(dsn).schema(schema).connect()
    };
    let writer = as_role("writer").await.unwrap();
    writer.append([NewEvent::new("T", json!({"a": 1}))]).await.unwrap();
    let reader = as_role("reader").await.unwrap();
    let now = time::OffsetDateTime::now_utc();
    let read = reader.query(&Filter::where_all([("a", 1)])).recorded_since(now - time::Duration::days(1));
    assert_eq!(read.await.unwrap().len(), 1);
    let error = reader.append([NewEvent::new("T", json!({}))]).await.unwrap_err();
    assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::Invalid, Some("42501")));
    let count = |store: &eventstore::EventStore| {
        store.fold("count", &Filter::all(), 0, |count, _| *count += 1).save_every(1).into_future()
    };
    assert_eq!(count(&reader).await.unwrap().state, 1, "who may not save a snapshot folds all the same");
    assert_eq!(count(&reader).await.unwrap().events, 1);
    assert_eq!(count(&writer).await.unwrap().state, 1);
    assert_eq!(count(&reader).await.unwrap().events, 0, "and uses those of others");
    assert!(writer.snapshot("count", &Filter::all()).delete().await.unwrap());
    for administration in [writer.index_path("b.c").await, writer.drop_path("b.c").await] {
        assert_eq!(administration.unwrap_err().sqlstate(), Some("42501"));
    }
    for store in [writer, reader] {
        store.close().await.unwrap();
    }
    let revoke = format!(
        "DROP OWNED BY {role}_writer, {role}_reader; DROP ROLE {role}_writer; DROP ROLE {role}_reader"
    );
    owner.batch_execute(&revoke).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_refuses_any_other_isolation_level() {
    let log = Log::new().await;
    let dsn = format!("{} options='-c default_transaction_isolation=serializable'", log.schema.primary());
    let store = fixture::store().primary(dsn).schema(log.schema.name()).connect().await.unwrap();
    store.migrate().await.unwrap();
    let error = store.append([NewEvent::new("T", json!({}))]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("read committed"), "{error}");
}

/// A log that the first version made, with its events.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_log_is_brought_up_to_date_with_what_is_in_it() {
    let schema = TestSchema::new();
    let client = testutil::connect(schema.primary()).await.unwrap();
    client.batch_execute(&fixture::made_by_version(schema.name(), 1)).await.unwrap();

    let role = format!("importer_{}", schema.name());
    let grant =
        format!("CREATE ROLE {role}; GRANT EXECUTE ON FUNCTION {}.append_v1 TO {role}", schema.name());
    client.batch_execute(&grant).await.unwrap();

    // It can be used as it is: this library works with it.
    let store = builder(&schema).connect().await.unwrap();
    let lines = "{\"id\":\"00000000-0000-4000-8000-000000000001\",\"type\":\"T\",\"occurred_at\":\"2026-01-31T09:30:00Z\",\"payload\":{}}";
    let error = store.import().read_from(lines.as_bytes()).await.unwrap_err();
    assert!(error.to_string().contains("migrate()"), "all but imports: {error}");
    store.append([NewEvent::new("T", json!({"n": 1}))]).await.unwrap();
    assert_eq!(store.query(&Filter::where_all([("n", 1)])).await.unwrap().len(), 1);
    let status = store.migration_status().await.unwrap();
    assert!(status[0].applied_at.is_some() && status[1].applied_at.is_none(), "{status:?}");
    store.migrate().await.unwrap();
    assert!(
        store.migration_status().await.unwrap().iter().all(|step| step.applied_at.is_some() && step.is_known)
    );
    let may_import = format!(
        "SELECT has_function_privilege('{role}', oid, 'EXECUTE') FROM pg_proc WHERE proname = 'import_v1' AND pronamespace = $1::text::regnamespace"
    );
    let row = client.query_one(&may_import, &[&schema.name()]).await.unwrap();
    assert!(row.get::<_, bool>(0), "who may append may import");
    client.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.unwrap();
    store.append([NewEvent::new("T", json!({"n": 2}))]).await.unwrap();
    let folded = store.fold("count", &Filter::all(), 0, |count, _| *count += 1).save_every(1).await.unwrap();
    assert_eq!(folded.state, 2);
    store.index_path("deep.n").await.unwrap();
}

/// VACUUM, say, is at work on the events: appends do not wait behind a migration that waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_would_hold_up_appends_gives_up_and_can_be_repeated() {
    let schema = TestSchema::new();
    let mut client = testutil::connect(schema.primary()).await.unwrap();
    client.batch_execute(&fixture::made_by_version(schema.name(), 9)).await.unwrap();
    let store = builder(&schema).connect().await.unwrap();
    let at_work = client.transaction().await.unwrap();
    let lock = format!("LOCK TABLE {}.events IN SHARE UPDATE EXCLUSIVE MODE", schema.name());
    at_work.batch_execute(&lock).await.unwrap();
    let error = store.migrate().await.unwrap_err();
    assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::Unavailable, Some("55P03")), "{error}");
    store.append([NewEvent::new("T", json!({"n": 1}))]).await.unwrap();
    at_work.rollback().await.unwrap();
    store.migrate().await.unwrap();
    store.append([NewEvent::new("T", json!({"n": 2}))]).await.unwrap();
}

/// A migrator that is stopped in the middle, or cut off without a word, has the lock of the log.
#[tokio::test(flavor = "multi_thread")]
async fn a_migrator_that_falls_silent_holds_up_appends_for_seconds_only() {
    let schema = TestSchema::new();
    let mut client = testutil::connect(schema.primary()).await.unwrap();
    client.batch_execute(&fixture::made_by_version(schema.name(), 9)).await.unwrap();
    let proxy = Proxy::before(schema.primary()).await.unwrap();
    let cut_off = fixture::store().primary(proxy.dsn()).schema(schema.name()).connect().await.unwrap();
    let at_work = client.transaction().await.unwrap();
    let lock = format!("LOCK TABLE {}.events IN SHARE UPDATE EXCLUSIVE MODE", schema.name());
    at_work.batch_execute(&lock).await.unwrap();
    let migrating = tokio::spawn(async move { cut_off.migrate().await });
    let sql = testutil::connect(schema.primary()).await.unwrap();
    let waits = format!(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = '{}.events'::regclass)",
        schema.name()
    );
    let is_waiting = async { while !sql.query_one(&waits, &[]).await.unwrap().get::<_, bool>(0) {} };
    timeout(LONG, is_waiting).await.expect("nobody migrates");
    proxy.stall(Toward::Both);
    at_work.rollback().await.unwrap();
    let store = builder(&schema).connect().await.unwrap();
    let appended = async { while store.append([NewEvent::new("T", json!({}))]).await.is_err() {} };
    timeout(LONG, appended).await.expect("appends wait for a migrator that says nothing");
    migrating.abort();
    store.migrate().await.unwrap();
}

/// What a log's schema consists of, so that no change of it goes unnoticed. To accept one, copy what the test prints.
#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_the_recorded_one() {
    let log = Log::new().await;
    let client = log.sql().await;
    let rows = client.query(include_str!("schema.sql"), &[&log.schema.name()]).await.unwrap();
    let found: String = rows.iter().map(|row| row.get::<_, String>(0) + "\n").collect();
    let recorded = include_str!("schema.golden");
    assert!(found == recorded, "the schema has changed; it is now\n{found}");
}
