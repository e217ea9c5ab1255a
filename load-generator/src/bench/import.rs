//! `bench import`: events from lines of an export, against COPY of the same rows into tables and indexes of the same form.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use eventstore::Settings;
use futures_util::SinkExt as _;
use serde_json::json;

use crate::bench::Stage;
use crate::bench::rounds::{Case, Contestant, Sample};
use crate::connection;
use crate::engine::{BENCH_PATHS, Books, Draft, EngineError, EngineName, book_event};
use crate::error::RunError;
use crate::servers::Servers;

/// Events of one import.
const EVENTS: u64 = 100_000;
const COPIED: &str = "bench_copy";
const IMPORTED: &str = "bench_import";

pub(super) async fn cases(stage: &Stage) -> Result<(Vec<Case>, Vec<String>), RunError> {
    stage.fill(EngineName::Eventstore, IMPORTED, stage.plan.preload, Books::of_ancestor()).await?;
    stage.fill(EngineName::Insert, COPIED, stage.plan.preload, Books::of_ancestor()).await?;
    let by_import = Arc::clone(&stage.servers);
    let by_copy = Arc::clone(&stage.servers);
    let contestants = vec![
        Contestant::new("eventstore", move |_| import(Arc::clone(&by_import))),
        Contestant::new("copy", move |_| copy(Arc::clone(&by_copy))),
    ];
    Ok((vec![Case { name: format!("{EVENTS} events"), clients: None, contestants }], Vec::new()))
}

/// Other events each time.
fn drafts() -> Vec<Draft> {
    let books = Books::of_ancestor();
    (0..EVENTS).map(|number| book_event(books, number)).collect()
}

fn sample(took: std::time::Duration) -> Sample {
    Sample::of_rate(EVENTS as f64 / took.as_secs_f64())
}

async fn import(servers: Arc<Servers>) -> Result<Sample, RunError> {
    let settings = Settings::default();
    let builder = connection::store().primary(&servers.primary).schema(IMPORTED).settings(settings);
    let store = builder.index_only(BENCH_PATHS).connect().await?;
    let mut lines = String::new();
    for draft in drafts() {
        let line = json!({
            "id": draft.id, "type": draft.event_type, "occurred_at": "2026-11-21T10:00:00Z",
            "payload": draft.payload, "metadata": draft.metadata,
        });
        let _ = writeln!(lines, "{line}");
    }
    let began = Instant::now();
    let imported = store.import().read_from(lines.as_bytes()).await?;
    let took = began.elapsed();
    store.close().await?;
    if imported.appended != EVENTS {
        return Err(RunError::new(format!("{} events were imported, expected {EVENTS}", imported.appended)));
    }
    Ok(sample(took))
}

/// Into the tables of the engine insert, which have the store's form: keys of the type and of two paths.
async fn copy(servers: Arc<Servers>) -> Result<Sample, RunError> {
    let session = connection::connect(&servers.primary).await.map_err(EngineError::from)?;
    let sent = async {
        session.batch_execute(&format!("SET search_path = {COPIED}")).await?;
        let row = session.query_one("SELECT coalesce(max(position), 0) FROM events", &[]).await?;
        let mut position: i64 = row.try_get(0)?;
        let (mut events, mut keys) = (String::new(), String::new());
        for draft in drafts() {
            position += 1;
            let Draft { id, event_type, payload, metadata } = &draft;
            // No text of these events has a character that COPY would have escaped.
            let _ = writeln!(events, "{position}\t{id}\t{event_type}\t{payload}\t{metadata}");
            for value in [
                event_type,
                payload["BookID"].as_str().unwrap_or(""),
                payload["ReaderID"].as_str().unwrap_or(""),
            ] {
                let _ = writeln!(keys, "{}\t{position}", hash(value));
            }
        }
        let began = Instant::now();
        session.batch_execute("BEGIN").await?;
        let into = |columns: &str| format!("COPY {columns} FROM STDIN");
        for (columns, text) in
            [("events (position, id, event_type, payload, metadata)", events), ("keys (key, position)", keys)]
        {
            let sink = session.copy_in::<_, Bytes>(&into(columns)).await?;
            tokio::pin!(sink);
            let text = Bytes::from(text);
            for from in (0..text.len()).step_by(1 << 20) {
                sink.send(text.slice(from..text.len().min(from + (1 << 20)))).await?;
            }
            sink.finish().await?;
        }
        session.batch_execute("COMMIT").await?;
        Ok::<_, tokio_postgres::Error>(began.elapsed())
    };
    Ok(sample(sent.await.map_err(EngineError::from)?))
}

/// Any hash: it is the cost of the index that counts.
fn hash(text: &str) -> i64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish().cast_signed()
}
