//! What is slow, locked, of no standby or not archived, as the exporter shows it.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use testutil::{Cluster, TestSchema};

use super::{Exporter, store};

/// Who holds a table has its own figures missing, and no others.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_table_keeps_back_what_is_asked_of_it() {
    let schema = TestSchema::new();
    let store = store(schema.primary(), schema.name()).await;
    let exporter = Exporter::start(&[schema.primary().to_owned()], schema.name(), "--timeout 4s");
    let failed = "postgresql_failed_queries{server=\"primary\"}";
    assert_eq!(exporter.scrape().number(failed), 0.0);

    let session = testutil::connect(schema.primary()).await.unwrap();
    let table = format!("\"{}\".group_work", schema.name());
    session.batch_execute(&format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")).await.unwrap();
    let began = Instant::now();
    let locked = exporter.scrape();
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(locked.number(failed), 2.0, "sizes and groups: {}", locked.0);
    assert!(
        ["table_live_rows", "log_head_position"].iter().all(|name| locked.has(&format!("postgresql_{name}")))
    );
    session.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(exporter.scrape().number(failed), 0.0);
    store.close().await.unwrap();
}

/// Millions that wait are not counted at each scrape.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_queue_is_counted_up_to_a_bound() {
    let schema = TestSchema::new();
    let store = store(schema.primary(), schema.name()).await;
    let session = testutil::connect(schema.primary()).await.unwrap();
    let fill = "
        INSERT INTO {schema}.recompute_queue (projection, key, wanted, wanted_id, due_at, waits_since, failure)
        SELECT p.name, n::text, 1, gen_random_uuid(), now() + n * interval '1 ms', now() - interval '1 hour',
               CASE WHEN n <= 3 THEN 'it fails' END
          FROM (VALUES ('many', 100010), ('few', 5)) p (name, keys), generate_series(1, p.keys) n;
        INSERT INTO {schema}.recompute_queue (projection, key, wanted, wanted_id) VALUES ('none', 'k', 1, gen_random_uuid());
        INSERT INTO {schema}.process_work (id, process, lane, due_at, cause, key, name, is_parked, parked_at)
        SELECT gen_random_uuid(), p.name, 'w', now() + interval '1 hour' + n * interval '1 s', 1, '[]', n::text, p.is_parked,
               CASE WHEN p.is_parked THEN now() END
          FROM (VALUES ('many', 100010, false), ('few', 5, false), ('parked', 4, true)) p (name, work, is_parked),
               generate_series(1, p.work) n;
        INSERT INTO {schema}.process_work (id, process, lane, due_at, cause, key, name)
        VALUES (gen_random_uuid(), 'many', 'c', now() - interval '1 hour', 1, '[]', 'command');
        ANALYZE {schema}.recompute_queue, {schema}.process_work";
    let quoted = format!("\"{}\"", schema.name());
    session.batch_execute(&fill.replace("{schema}", &quoted)).await.unwrap();
    let exporter = Exporter::start(&[schema.primary().to_owned()], schema.name(), "--timeout 8s");
    let scrape = exporter.scrape();
    let number = |metric: &str, label: &str, value: &str| {
        let labels = format!("{label}=\"{value}\",schema=\"{}\",server=\"primary\"", schema.name());
        scrape.value(&format!("postgresql_log_{metric}{{{labels}}}"))
    };
    for (metric, label, value, expected) in [
        ("recompute_waiting_keys", "projection", "many", Some(100_000.0)),
        ("recompute_waiting_keys", "projection", "few", Some(5.0)),
        ("recompute_waiting_keys", "projection", "none", None),
        ("recompute_failing_keys", "projection", "many", Some(3.0)),
        ("process_waiting", "process", "many", Some(100_000.0)),
        ("process_waiting", "process", "few", Some(5.0)),
        ("process_waiting", "process", "parked", Some(0.0)),
        ("process_parked", "process", "parked", Some(4.0)),
        ("process_parked", "process", "few", Some(0.0)),
    ] {
        assert_eq!(number(metric, label, value), expected, "{metric} {value}: {}", scrape.0);
    }
    assert!(number("recompute_oldest_wait_seconds", "projection", "many") >= Some(3_600.0));
    assert!(number("process_overdue_seconds", "process", "many") >= Some(3_600.0), "commands come first");
    assert_eq!(number("process_overdue_seconds", "process", "few"), Some(0.0));
    store.close().await.unwrap();
}

/// Who only takes WAL is no standby; a session's slot is gone with it; and an archive that takes nothing is seen.
#[tokio::test(flavor = "multi_thread")]
async fn only_standbys_are_counted_and_a_failing_archive_is() {
    let cluster = Cluster::builder()
        .replicas(1)
        .setting("archive_mode", "on")
        .setting("archive_command", "'false'")
        .start()
        .unwrap();
    let servers = [cluster.primary().dsn(), cluster.replicas()[0].dsn()];
    let exporter = Exporter::start(&servers, "library", "--timeout 5s");
    let standbys = "postgresql_streaming_standbys{server=\"primary\"}";
    exporter.scrape_until(|scrape| scrape.value(standbys) == Some(1.0));

    let folder = tempfile::tempdir().unwrap();
    // Of the servers' version: an older one is refused.
    let tool =
        std::env::var_os("EVENTSTORE_PG_BIN").map(PathBuf::from).unwrap_or_default().join("pg_receivewal");
    let mut receiver = Command::new(tool)
        .args(["--no-loop", "--dbname", &servers[0], "--directory"])
        .arg(folder.path())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let session = testutil::connect(&servers[0]).await.unwrap();
    session
        .batch_execute("SELECT pg_create_physical_replication_slot('of_a_session', true, true); SELECT pg_create_physical_replication_slot('kept', true)")
        .await
        .unwrap();
    session.batch_execute("CREATE TABLE written (); SELECT pg_switch_wal()").await.unwrap();
    let began = Instant::now();
    let streams = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
    while session.query_one(streams, &[]).await.unwrap().get::<_, i64>(0) < 2 {
        assert!(began.elapsed() < super::PATIENCE, "pg_receivewal never streamed");
        assert!(receiver.try_wait().unwrap().is_none(), "pg_receivewal has ended");
    }
    let scrape = exporter.scrape_until(|scrape| {
        scrape.number("postgresql_archive_failures_total{server=\"primary\"}") > 0.0
            && scrape.number("postgresql_archive_waiting_segments{server=\"primary\"}") > 0.0
    });
    receiver.kill().unwrap();
    receiver.wait().unwrap();
    assert_eq!(scrape.number(standbys), 1.0, "{}", scrape.0);
    assert!(
        scrape
            .value("postgresql_replication_streaming{server=\"primary\",standby=\"pg_receivewal\"}")
            .is_none()
    );
    assert_eq!(scrape.number("postgresql_archived_segments_total{server=\"primary\"}"), 0.0);
    assert_eq!(scrape.number("postgresql_archive_waiting_segments{server=\"replica1\"}"), 0.0);
    let slot =
        |name: &str| scrape.value(&format!("postgresql_slot_active{{server=\"primary\",slot=\"{name}\"}}"));
    assert_eq!((slot("kept"), slot("of_a_session")), (Some(0.0), None), "{}", scrape.0);
}
