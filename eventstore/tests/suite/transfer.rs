//! Export and import.

use eventstore::{ErrorKind, EventStore, Filter, Imported, NewEvent, Position, RecordedEvent};
use serde_json::json;
use time::macros::datetime;

use crate::fixture::{self, Log};

async fn export(store: &EventStore) -> String {
    let mut lines = Vec::new();
    store.export().write_to(&mut lines).await.unwrap();
    String::from_utf8(lines).unwrap()
}

async fn import(store: &EventStore, lines: &str) -> Result<Imported, eventstore::Error> {
    store.import().read_from(lines.as_bytes()).await
}

/// All that an import keeps.
fn kept(event: &RecordedEvent) -> impl PartialEq + std::fmt::Debug + use<> {
    let event = event.clone();
    (event.position, event.id, event.event_type, event.occurred_at, event.payload, event.metadata)
}

async fn all(store: &EventStore) -> Vec<RecordedEvent> {
    store.query(&Filter::all()).await.unwrap().into_events()
}

async fn filled(count: u64) -> Log {
    let log = Log::new().await;
    let odd = NewEvent::new(
        "Odd",
        json!({"text": "é \" \\ \n '; DROP TABLE", "big": 1e300, "float": 1e16, "n": u64::MAX}),
    )
    .occurred_at(datetime!(-4711-02-03 04:05:06.7 UTC))
    .metadata(json!([null, {"a.b": [1, 1.5, true]}]));
    log.store.append([odd]).await.unwrap();
    for first in (0..count).step_by(900) {
        let numbers = first..count.min(first + 900);
        log.store.append(numbers.map(|n| NewEvent::new("Counted", json!({"n": n})))).await.unwrap();
    }
    log.replayed().await;
    log
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_keeps_ids_and_order_and_doubles_nothing() {
    let (from, to) = (filled(2_500).await, Log::new().await);
    let lines = export(&from.store).await;
    assert_eq!(lines.lines().count(), 2_501);
    let first = import(&to.store, &lines).await.unwrap();
    assert_eq!((first.appended, first.repeated, first.last_position.get()), (2_501, 0, 2_501));
    let (before, after) = (all(&from.store).await, all(&to.store).await);
    assert_eq!(before.iter().map(kept).collect::<Vec<_>>(), after.iter().map(kept).collect::<Vec<_>>());
    let second = import(&to.store, &lines).await.unwrap();
    assert_eq!((second.appended, second.repeated), (0, 2_501));
    assert_eq!(to.store.head().await.unwrap().position().get(), 2_501);
    assert_eq!(export(&to.store).await.lines().count(), 2_501);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_go_on_after_they_were_broken_off() {
    let (from, to) = (filled(1_500).await, Log::new().await);
    let lines = export(&from.store).await;
    // The first part ends somewhere, and in the middle of a line.
    let cut = lines.match_indices('\n').nth(1_233).unwrap().0 + 20;
    let error = import(&to.store, &lines[..cut]).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("line 1235"), "{error}");
    assert_eq!(
        to.store.head().await.unwrap().position().get(),
        1_234,
        "what came before the bad line is there"
    );
    let rest = import(&to.store, &lines).await.unwrap();
    assert_eq!((rest.appended, rest.repeated), (267, 1_234));
    assert_eq!(
        all(&to.store).await.iter().map(kept).collect::<Vec<_>>(),
        all(&from.store).await.iter().map(kept).collect::<Vec<_>>()
    );

    let mut end = Vec::new();
    let exported = from.store.export().after(1_400).write_to(&mut end).await.unwrap();
    assert_eq!((exported.events, exported.last_position.get()), (101, 1_501));
    assert!(lines.ends_with(std::str::from_utf8(&end).unwrap()));
    let beyond = from.store.export().after(9_999).write_to(&mut end).await.unwrap_err();
    assert_eq!(beyond.kind(), ErrorKind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_can_not_be_imported_is_named_and_all_before_it_is_there() {
    let log = Log::new().await;
    let line = |n: u64, payload: &str| {
        format!(
            "{{\"id\":\"00000000-0000-4000-8000-{n:012}\",\"type\":\"T\",\"occurred_at\":\"2026-01-31T09:30:00Z\",\
             \"payload\":{payload}}}\n"
        )
    };
    let good: String = (0..10).map(|n| line(n, "{\"n\":1}")).collect();
    let bad_lines = [
        ("is not JSON", "geheim\n".to_owned()),
        ("is not an event", "{\"id\":\"geheim\"}\n".to_owned()),
        ("number", line(77, "{\"n\":1e131071}")),
        ("NUL", line(77, "{\"n\":\"\\u0000\"}")),
        ("id", line(3, "{\"n\":\"another payload\"}")),
        ("occurred_at", line(77, "{}").replace("2026-01-31T09:30:00Z", "geheim")),
    ];
    for (what, bad) in bad_lines {
        let error = import(&log.store, &format!("{good}\n{bad}{}", line(99, "{}"))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{what}: {error}");
        assert!(error.to_string().contains("line 12") && error.to_string().contains(what), "{what}: {error}");
        assert!(!error.to_string().contains("geheim"), "{error}");
        assert_eq!(log.store.head().await.unwrap().position(), Position::new(10), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_chooses_what_is_exported_and_progress_is_told() {
    let log = filled(2_200).await;
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let notes = std::sync::Arc::clone(&told);
    let mut lines = Vec::new();
    let exported = log
        .store
        .export()
        .filter(&Filter::event_types(["Counted"]))
        .on_progress(move |progress| notes.lock().unwrap().push(progress.events))
        .write_to(&mut lines)
        .await
        .unwrap();
    assert_eq!(exported.events, 2_200);
    assert_eq!(*told.lock().unwrap(), [1_000, 2_000, 2_200]);
    let closed = fixture::builder(&log.schema).connect().await.unwrap();
    closed.close().await.unwrap();
    assert_eq!(closed.export().write_to(&mut lines).await.unwrap_err().kind(), ErrorKind::Closed);
}

/// A sink that takes so many bytes, behind a buffer that a failure throws away.
struct SmallDisk(usize);

impl tokio::io::AsyncWrite for SmallDisk {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        if self.0 == 0 {
            return std::task::Poll::Ready(Err(std::io::ErrorKind::StorageFull.into()));
        }
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        std::task::Poll::Ready(Ok(taken))
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_fails_names_what_is_safely_written() {
    let log = filled(2_500).await;
    let whole = export(&log.store).await;
    let room = whole.len() * 3 / 5;
    let written = whole[..room].lines().count() as u64 - 1;
    let error = log.store.export().write_to(tokio::io::BufWriter::new(SmallDisk(room))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let (_, position) = error
        .to_string()
        .rsplit_once(' ')
        .map(|(what, n)| (what.to_owned(), n.parse::<u64>().unwrap()))
        .unwrap();
    assert!(position <= written && position >= 1_000, "{error}; {written} lines are whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_no_text_or_has_no_lines_is_refused_in_time() {
    let mut settings = fixture::settings();
    settings.max_payload_bytes = 1_000;
    let log = Log::with(|builder| builder.settings(settings)).await;
    let binary = log.store.import().read_from(&b"\n\xff\xfe\n"[..]).await.unwrap_err();
    assert!(binary.kind() == ErrorKind::Invalid && binary.to_string().contains("line 2"), "{binary}");
    let endless = tokio::io::BufReader::new(tokio::io::repeat(b'x'));
    let error = log.store.import().read_from(endless).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("longer"), "{error}");
}

/// Imports and exports can be spawned, also those that tell how far they are.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_and_an_export_can_go_on_in_tasks_of_their_own() {
    let log = Log::new().await;
    log.store.append([NewEvent::new("A", json!({"n": 1}))]).await.unwrap();
    log.replayed().await;
    let store = log.store.clone();
    let exported = tokio::spawn(async move {
        let mut lines = Vec::new();
        store.export().on_progress(|_| {}).write_to(&mut lines).await.map(|_| lines)
    });
    let lines = exported.await.unwrap().unwrap();
    let import = log.store.import().on_progress(|_| {});
    let imported =
        tokio::spawn(async move { import.read_from(lines.as_slice()).await }).await.unwrap().unwrap();
    assert_eq!((imported.appended, imported.repeated), (0, 1));
}

fn numbered(n: u64) -> NewEvent {
    NewEvent::new("Numbered", json!({"n": n})).id(uuid::Uuid::from_u128(u128::from(n) + 1))
}

/// That the log has the first `count` of them in their order, and no other.
async fn assert_numbered(store: &EventStore, count: u64) {
    let events = store.query(&Filter::event_types(["Numbered"])).await.unwrap();
    let misplaced = events.iter().zip(0_u64..).find(|(event, n)| event.payload["n"] != *n);
    assert_eq!(misplaced, None);
    assert_eq!(events.len() as u64, count);
}

/// A log whose imports have chunks of 100 events.
async fn small_chunks() -> Log {
    let mut settings = fixture::settings();
    settings.max_events_per_append = 100;
    Log::with(|builder| builder.settings(settings)).await
}

/// Of a call that the server ended nobody knows whether it wrote; the one after it waits for the log's lock already.
#[tokio::test(flavor = "multi_thread")]
async fn chunks_keep_their_order_when_the_first_of_two_that_are_under_way_is_lost() {
    let log = small_chunks().await;
    let held = log.hold_lock().await;
    let store = log.store.clone();
    let import = tokio::spawn(async move {
        store.import().read_events(futures_util::stream::iter((0..1_000).map(numbered))).await
    });
    let first = held.waiting(2).await[0];
    held.terminate(first).await;
    held.release().await;
    let imported = import.await.unwrap().unwrap();
    assert_eq!((imported.appended, imported.repeated, imported.last_position.get()), (1_000, 0, 1_000));
    assert_numbered(&log.store, 1_000).await;
}

/// Also where it ends a chunk, so that the next one could take it for the one that it follows.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_imported_after_an_event_that_can_not_be() {
    for bad in [0, 555, 599, 600, 999] {
        let log = small_chunks().await;
        log.store.append([NewEvent::new("Other", json!({})).id(numbered(bad).event_id())]).await.unwrap();
        let events = futures_util::stream::iter((0..1_000).map(numbered));
        let error = log.store.import().read_events(events).await.unwrap_err();
        let named = error.to_string().contains(&format!("event {}:", bad + 1));
        assert!(error.kind() == ErrorKind::Invalid && named, "{error}");
        // What was under way with it comes to its end.
        log.store.close().await.unwrap();
        assert_numbered(&log.handle().await, bad).await;
    }
}

/// What is there already stays where it is, and the rest is in order; also with one connection for all.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_already_puts_nothing_else_out_of_order() {
    let mut settings = fixture::settings();
    (settings.max_events_per_append, settings.pool_size) = (100, 1);
    let log = Log::with(|builder| builder.settings(settings)).await;
    let there = [99, 150, 299, 300];
    for n in there {
        log.store.append([numbered(n)]).await.unwrap();
    }
    let events = futures_util::stream::iter((0..500).map(numbered));
    let imported = log.store.import().read_events(events).await.unwrap();
    assert_eq!((imported.appended, imported.repeated), (496, 4));
    let found = log.store.query(&Filter::event_types(["Numbered"])).await.unwrap();
    let found: Vec<u64> = found.iter().map(|event| event.payload["n"].as_u64().unwrap()).collect();
    let rest = (0..500).filter(|n| !there.contains(n));
    assert_eq!(found, there.into_iter().chain(rest).collect::<Vec<_>>());
}

/// Nothing is written after `close` has returned, and a dropped import leaves its connection to nobody.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_dropped_or_closed_leaves_nothing_behind() {
    let log = small_chunks().await;
    let held = log.hold_lock().await;
    let store = log.store.clone();
    let import = tokio::spawn(async move {
        store.import().read_events(futures_util::stream::iter((0..1_000).map(numbered))).await
    });
    held.waiting(2).await;
    import.abort();
    assert!(import.await.unwrap_err().is_cancelled());
    let read = log.store.query(&Filter::all()).timeout(std::time::Duration::from_secs(1)).await;
    assert_eq!(read.unwrap().len(), 0, "reads have connections of their own");
    let mut closing = tokio::spawn({
        let store = log.store.clone();
        async move { store.close().await }
    });
    let early = tokio::time::timeout(std::time::Duration::from_millis(300), &mut closing).await;
    assert!(early.is_err(), "calls are under way");
    held.release().await;
    closing.await.unwrap().unwrap();
    let other = log.handle().await;
    let written = other.head().await.unwrap().position().get();
    assert!([100, 200].contains(&written), "{written}: the second chunk may have come to the lock first");
    assert_numbered(&other, written).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_beside_other_writers_keeps_its_order_and_they_lose_nothing() {
    let log = small_chunks().await;
    let import = log.store.import().read_events(futures_util::stream::iter((0..3_000).map(numbered)));
    let rival = log.handle().await;
    let rivals = async {
        let mut appended = 0;
        for n in 0..100 {
            appended +=
                rival.append([NewEvent::new("Rival", json!({"n": n}))]).await.unwrap().positions().count();
        }
        appended
    };
    let (imported, appended) = tokio::join!(import, rivals);
    assert_eq!((imported.unwrap().appended, appended), (3_000, 100));
    assert_numbered(&log.store, 3_000).await;
    assert_eq!(log.store.head().await.unwrap().position().get(), 3_100);
    let again = log.store.import().read_events(futures_util::stream::iter((0..3_100).map(numbered))).await;
    assert_eq!(again.map(|imported| (imported.appended, imported.repeated)).unwrap(), (100, 3_000));
}
