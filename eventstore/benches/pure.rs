//! What the store does by itself of an append or a query, without waiting for a server; but for rows to decode, which only a
//! server makes.

#![allow(missing_docs)] // of what criterion's macros make
#![allow(clippy::unwrap_used)] // a benchmark that can not go on has nothing to say

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use eventstore::benching::{Matcher, Waiting, decode_page};
use eventstore::{Filter, NewEvent};
use serde_json::{Value, json};
use testutil::Cluster;
use tokio::runtime::Runtime;

const TYPES: [&str; 3] = ["BookCopyAddedToCirculation", "BookCopyLentToReader", "BookCopyReturnedByReader"];

fn lent(number: u64) -> Value {
    json!({
        "BookID": format!("{number:08x}-0000-4000-8000-000000000001"),
        "ReaderID": format!("{:08x}-0000-4000-8000-000000000000", number % 14_000),
        "OccurredAt": "2026-11-21T10:00:00.123456789Z",
    })
}

/// What concerns a book or a reader.
fn lending(number: u64) -> Filter {
    let payload = lent(number);
    let value = |field: &str| payload[field].as_str().unwrap().to_owned();
    Filter::event_types(TYPES).and_any([("BookID", value("BookID")), ("ReaderID", value("ReaderID"))])
}

fn matching(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("matching");
    let (matcher, payload) = (Matcher::new(&lending(7)).unwrap(), lent(7));
    assert!(matcher.matches(TYPES[1], &payload));
    group.bench_function("a match", |b| b.iter(|| matcher.matches(black_box(TYPES[1]), black_box(&payload))));
    let other = lent(8);
    assert!(!matcher.matches(TYPES[1], &other));
    group.bench_function("no match", |b| b.iter(|| matcher.matches(black_box(TYPES[1]), black_box(&other))));
    let items = (0..50).map(lending).reduce(Filter::or).unwrap();
    let matcher = Matcher::new(&items).unwrap();
    let other = lent(99);
    assert!(!matcher.matches(TYPES[1], &other));
    group.bench_function("no match, 50 items", |b| {
        b.iter(|| matcher.matches(black_box(TYPES[1]), black_box(&other)));
    });
}

fn fingerprint(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fingerprint");
    let filter = lending(7);
    group.bench_function("1 item", |b| b.iter(|| black_box(&filter).fingerprint().unwrap()));
    let items = (0..50).map(lending).reduce(Filter::or).unwrap();
    group.bench_function("50 items", |b| b.iter(|| black_box(&items).fingerprint().unwrap()));
}

/// Making a batch of all that waits, which is where conflicts inside it are found.
fn batch(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("batch");
    let waiting = |requests: u64, keys: u64| {
        let mut waiting = Waiting::default();
        for number in 0..requests {
            let key = number % keys;
            waiting.push(NewEvent::new(TYPES[1], lent(key)), &lending(key)).unwrap();
        }
        waiting
    };
    for (requests, keys, name) in [
        (50, 50, "50 requests, no conflict"),
        (50, 10, "50 requests for 10 keys"),
        (500, 500, "500 requests, no conflict"),
    ] {
        let made = waiting(requests, keys).batch();
        assert_eq!((made.requests() as u64, made.pairs() > 0), (requests, keys < requests), "{name}");
        group.throughput(Throughput::Elements(requests));
        group.bench_function(name, |b| {
            b.iter_batched(|| waiting(requests, keys), Waiting::batch, BatchSize::LargeInput);
        });
    }
}

/// Of real rows, which a server has sent.
fn decoding(criterion: &mut Criterion) {
    const EVENTS: usize = 85;
    let runtime = Runtime::new().unwrap();
    let cluster = Cluster::builder().start().unwrap();
    let rows = runtime.block_on(async {
        let session = testutil::connect(&cluster.primary().dsn()).await.unwrap();
        let metadata = json!({
            "MessageID": "0190a5e2-1d2c-7e3a-b7a1-0242ac120002",
            "CausationID": "0190a5e2-1d2c-7e3a-b7a1-0242ac120003",
            "CorrelationID": "0190a5e2-1d2c-7e3a-b7a1-0242ac120004",
        });
        let page = "SELECT 85::bigint, gen_random_uuid(), NULL::timestamptz, NULL::timestamptz, NULL::text,
                           jsonb_build_array(85, gen_random_uuid(), false, gen_random_uuid(), 85, NULL, NULL, true), NULL::jsonb
                    UNION ALL
                    SELECT n, gen_random_uuid(), now(), now(), $1, $2, $3 FROM generate_series(1, 85::bigint) AS n";
        session.query(page, &[&TYPES[1], &lent(7), &metadata]).await.unwrap()
    });
    assert_eq!(decode_page(&rows).unwrap(), EVENTS);
    let mut group = criterion.benchmark_group("decoding");
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function("85 events", |b| b.iter(|| decode_page(black_box(&rows)).unwrap()));
}

criterion_group!(pure, matching, fingerprint, batch, decoding);
criterion_main!(pure);
