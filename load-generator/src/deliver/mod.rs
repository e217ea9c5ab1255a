//! What subscriptions, consumer groups and projections do: how soon, at what cost, and whether all of it.
//!
//! Each scenario has its baseline in the same run. What was handed over is recorded, and checked against the log at the end.

mod claim;
mod count;
mod crashes;
mod dispatch;
mod hands;
mod hot_stream;
mod live;
mod proxied;
mod subscribe;
mod view;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use eventstore::{EventStore, EventStoreBuilder, Filter, NewEvent, Settings};
use serde_json::json;
use testutil::checker::{Checker, History, Log, LogEvent, Rule};

use crate::connection;
use crate::error::RunError;
use crate::servers::Servers;

pub(crate) use claim::{ClaimPlan, run as claim};
pub(crate) use count::{CountPlan, part as count_part, run as count};
pub(crate) use crashes::{CrashPlan, PartPlan, part, run as crashes};
pub(crate) use dispatch::{DispatchPlan, part as dispatch_part, run as dispatch};
pub(crate) use hot_stream::{Before, HotStreamPlan, Ramp, run as hot_stream};
pub(crate) use live::{LivePlan, run as live};
pub(crate) use subscribe::{SubscribePlan, run as subscribe};
pub(crate) use view::{ViewPlan, run as view};

use proxied::proxy;

/// The type of all events here.
const EVENT_TYPE: &str = "Item";
/// How many keys they have.
const KEYS: u64 = 97;
/// Events in one append while a log is filled.
const CHUNK: u64 = 1_000;

/// What all scenarios are told.
#[derive(Debug, Clone)]
pub(crate) struct Common {
    pub(crate) primary: Option<String>,
    pub(crate) replicas: Vec<String>,
    pub(crate) json: Option<PathBuf>,
}

/// An event, the nth.
fn item(n: u64) -> NewEvent {
    NewEvent::new(EVENT_TYPE, json!({"n": n, "key": n % KEYS}))
}

fn items() -> Filter {
    Filter::event_types([EVENT_TYPE])
}

/// The same in the words of the checker.
fn checked_items() -> testutil::checker::Filter {
    testutil::checker::Filter::types([EVENT_TYPE])
}

/// Makes a log anew, and connects to it.
async fn fresh(servers: &Servers, schema: &str, settings: Settings) -> Result<EventStore, RunError> {
    let session = connection::connect(&servers.primary).await.map_err(of_server)?;
    session.batch_execute(&format!("DROP SCHEMA IF EXISTS {schema} CASCADE")).await.map_err(of_server)?;
    let store = connect(&servers.primary, &servers.replicas, schema, settings).await?;
    store.migrate().await?;
    for replica in &servers.replicas {
        connection::replayed(&servers.primary, replica).await.map_err(of_server)?;
    }
    Ok(store)
}

async fn connect(
    primary: &str,
    replicas: &[String],
    schema: &str,
    settings: Settings,
) -> Result<EventStore, RunError> {
    Ok(builder(primary, replicas, schema, settings).connect().await?)
}

/// A handle of a log here, to be connected.
fn builder(primary: &str, replicas: &[String], schema: &str, settings: Settings) -> EventStoreBuilder {
    let builder = connection::store().primary(primary).schema(schema).settings(settings).index_only(["key"]);
    replicas.iter().fold(builder, |builder, replica| builder.replica(replica))
}

/// So many events, from the first one on.
async fn fill(store: &EventStore, events: u64) -> Result<(), RunError> {
    for from in (0..events).step_by(CHUNK as usize) {
        store.append((from..events.min(from + CHUNK)).map(item)).await?;
    }
    Ok(())
}

/// What a check found.
struct Audited {
    operations: usize,
    violations: usize,
    by_rule: Vec<(Rule, usize)>,
    text: String,
}

/// Checks what was recorded against the log as it stands.
async fn audit(store: &EventStore, history: History) -> Result<Audited, RunError> {
    let (mut events, mut stream) = (Vec::new(), store.query(&Filter::all()).stream());
    while let Some(event) = stream.next().await {
        let event = event?;
        events.push(LogEvent {
            position: event.position.get(),
            id: event.id.uuid(),
            event_type: event.event_type.as_str().to_owned(),
            payload: event.payload,
            metadata: event.metadata,
        });
    }
    // Who appended them is not in the history.
    let checker = Checker::default().preloaded(events.len() as u64);
    let checked = tokio::task::spawn_blocking(move || {
        let log = Log::new(events);
        let report = checker.check(&history, &log);
        let by_rule = report.counts().collect();
        let (operations, violations, text) = (report.operations(), report.count(), report.to_string());
        Audited { operations, violations, by_rule, text }
    });
    checked.await.map_err(RunError::task)
}

fn of_server(error: tokio_postgres::Error) -> RunError {
    RunError::new(format!("a server: {}", connection::with_causes(&error)))
}

/// The servers, shared by what runs on them.
async fn servers(common: &Common) -> Result<Arc<Servers>, RunError> {
    Ok(Arc::new(Servers::find(common.primary.as_ref(), &common.replicas).await?))
}

/// Milliseconds, to three digits after the point.
fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
