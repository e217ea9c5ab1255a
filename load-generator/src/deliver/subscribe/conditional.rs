//! Reads that ask whether there is anything newer, where nothing is.

use std::time::Duration;

use eventstore::{Consistency, EventStore, Settings, Token};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::deliver::subscribe::SCHEMA;
use crate::deliver::{connect, items};
use crate::error::RunError;
use crate::histogram::Latencies;
use crate::servers::Servers;

/// How long they are made.
const READING: Duration = Duration::from_secs(5);

#[derive(Debug, Serialize)]
pub(super) struct ConditionalReads {
    pub(super) at_once: usize,
    pub(super) per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p95_ms: f64,
    pub(super) p99_ms: f64,
}

/// Makes so many at once.
pub(super) async fn read(servers: &Servers, at_once: usize) -> Result<ConditionalReads, RunError> {
    let store = connect(&servers.primary, &servers.replicas, SCHEMA, Settings::default()).await?;
    let has = store.query(&items()).await?.token();
    let end = Instant::now() + READING;
    let mut readers = JoinSet::new();
    for _ in 0..at_once {
        readers.spawn(ask(store.clone(), has, end));
    }
    let mut waits = Latencies::new();
    while let Some(one) = readers.join_next().await {
        waits.merge(&one.map_err(RunError::task)??);
    }
    store.close().await?;
    let count: u64 = waits.counts().iter().map(|(_, count)| count).sum();
    Ok(ConditionalReads {
        at_once,
        per_second: (count as f64 / READING.as_secs_f64()).round(),
        p50_ms: waits.quantile_ms(0.5),
        p95_ms: waits.quantile_ms(0.95),
        p99_ms: waits.quantile_ms(0.99),
    })
}

/// Asks one time after the other.
async fn ask(store: EventStore, has: Token, end: Instant) -> Result<Latencies, RunError> {
    let mut waits = Latencies::new();
    while Instant::now() < end {
        let asked = Instant::now();
        let newer = store.query(&items()).consistency(Consistency::Eventual).if_newer_than(has).await?;
        waits.record(asked.elapsed());
        if newer.is_some() {
            return Err(RunError::new("something was newer than the end of the log"));
        }
    }
    Ok(waits)
}
