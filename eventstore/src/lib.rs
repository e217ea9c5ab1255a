//! An event store on PostgreSQL: conditional appends, and dynamic event streams.
//!
//! Applications append JSON events to one ordered log and query *dynamic event streams*: not one stream per entity, but
//! whatever matches a [`Filter`] at that moment. A decision reads the events it depends on, decides, and appends on the
//! condition that no event matching the same filter has been written since. That is a *dynamic consistency boundary*
//! (<https://dcb.events>): what must be consistent is named by each decision, and nothing has to be cut into aggregates
//! beforehand.
//!
//! # A first program
//!
//! ```no_run
//! use eventstore::{Consistency, EventStore, Filter, NewEvent};
//! use serde_json::json;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let store = EventStore::builder()
//!         .primary("host=localhost user=postgres dbname=postgres")
//!         .schema("library") // one schema is one log
//!         .connect()
//!         .await?;
//!     store.migrate().await?;
//!
//!     // What the decision depends on.
//!     let (book, reader) = ("the-hobbit-1", "ada");
//!     let lending = Filter::event_types(["BookCopyLentToReader", "BookCopyReturnedByReader"])
//!         .and_any([("BookID", book), ("ReaderID", reader)]);
//!
//!     // Read, decide …
//!     let history = store.query(&lending).await?;
//!     let last_of_book = history.iter().rfind(|event| event.payload["BookID"] == book);
//!     if last_of_book.is_some_and(|event| event.event_type == "BookCopyLentToReader") {
//!         println!("{book} is lent already");
//!         return Ok(());
//!     }
//!
//!     // … and append, unless something that matters has happened meanwhile.
//!     let lent = NewEvent::new("BookCopyLentToReader", json!({"BookID": book, "ReaderID": reader}));
//!     let receipt = store.append([lent]).fail_if_matches(&lending).after(history.token()).await?;
//!     println!("lent {book} to {reader} at position {}", receipt.first_position());
//!
//!     // Read your own write, from a replica if one has it.
//!     let view = store.query(&lending).consistency(Consistency::AtLeast(receipt.token())).await?;
//!     println!("{} events", view.len());
//!     store.close().await?;
//!     Ok(())
//! }
//! ```
//!
//! It needs the crates `eventstore`, `tokio` (features `macros` and `rt-multi-thread`) and `serde_json`, and a PostgreSQL
//! server of version 15 or later where the user may create a schema.
//!
//! # What it promises
//!
//! - **One order.** [`Position`]s are 1, 2, 3 … in commit order. If a position is visible anywhere, on the primary or on a
//!   replica, every lower one is settled and visible there too. Reading "everything after p" never misses an event.
//! - **Conditions hold.** Of any number of appends that race with one condition exactly one is accepted: inside one
//!   process, across processes, and inside one batch. The others get a [`Conflict`] that names the event in their way.
//! - **Acknowledged means durable**, as the server's `synchronous_commit` has it, and visible means durable too.
//! - **Appends are idempotent.** Events have ids; appending the same ids again gives the first receipt. After a lost
//!   connection the store sends the same batch again by itself.
//! - **Errors say what to do next**: see [`ErrorKind`].
//!
//! # Deciding
//!
//! [`EventStore::decide`] is the first program's middle part as one call: it reads, lets a function decide, appends, and
//! does so again if somebody was faster. Events can be an enum of the application's own ([`DomainEvent`]). Where many
//! events make one state, [`EventStore::fold`] keeps snapshots of it.
//!
//! # Finding events
//!
//! Events are found by keys: their type, and the values at the indexed paths of their payload. A new log indexes all
//! top-level strings, integers and booleans (and those in top-level arrays); a busy one declares the few paths that
//! identify things, with [`EventStoreBuilder::index_only`]. [`EventStore::index_path`] adds a path to a log in use. A
//! filter on a path without an index is refused, unless the query allows a scan.
//!
//! # Where reads go
//!
//! [`Consistency`] is an argument of each query: `Strong` reads the primary, and decisions should; `Eventual` reads a
//! replica; `AtLeast(token)` reads a replica that has come as far as the token, or soon has, else the primary; `MaxLag(duration)`
//! one that has everything the primary had so long ago. A [`Session`] remembers for one user how far they have seen, so that
//! their reads never go back in time; [`EventStore::token_text`] gives its token to a browser.
//!
//! A replica that fails, stops or lags leaves the rotation and comes back by itself; [`ReplicaFallback`] says who reads where none
//! is left. A failover is found by naming all hosts in one connection string with `target_session_attrs=read-write`. If it lost
//! the end of the log, whoever holds a token of what was lost is refused ([`ErrorKind::HistoryDiverged`]), and the loss is logged
//! and counted.
//!
//! # As it comes
//!
//! [`EventStore::subscription`] hands over everything that matches, from some point on, in order, at least once; its checkpoint can be
//! committed in a transaction of yours. [`EventStore::consumer_group`] shares the same among many workers, with leases, retries and order by
//! key. [`Query::if_newer_than`] reads only if there is something new. [`EventStore::cache`] keeps in memory what is read a hundred times
//! more often than written, until an event changes it. [`EventStore::recomputed`] has a view of hot keys computed
//! anew from the log, now and then, instead of changed with each event.
//!
//! [`EventStore::projection`] keeps views in tables of the log's database, where each event counts exactly once; a later version is built beside
//! the live one. [`EventStore::process_manager`] does what follows from events: commands, tried again until they are done, and wake-ups, over
//! days if need be.
//!
//! # Concurrency
//!
//! [`EventStore`] is cheap to clone and safe to share. One writer task per handle sends what waits as one batch (group
//! commit), so that many concurrent appends cost little more than one. Futures can be dropped at any time.
//! Everything that happens is reported as `tracing` spans and events, and as metrics in a registry of yours
//! ([`EventStoreBuilder::metrics`]); payloads and passwords never are.
//!
//! # Who may do what
//!
//! [`EventStore::grant`] gives roles of the server what they need of a log and no more: to read, to append, to import, or to follow it. Nobody but its
//! owner writes its tables, and events refuse to be changed even by the owner.
//!
//! # Features
//!
//! - `axum`: `/health` and `/ready` over HTTP, in the module `health_http`.
//! - `bb8`: that pool, besides `deadpool`; see [`PoolBackend`].
//! - `cli`: the program `eventstore`, which creates a log, looks into it, moves events, declares paths, grants privileges, looks after subscriptions,
//!   groups, projections and process managers, prints what servers are to be set to, and says what is wrong with live ones.
//! - `rustls`: TLS, always verified; see `Tls`, which [`EventStoreBuilder::tls`] takes.
//!
//! For a pooler that lends sessions for a transaction at a time see [`Settings::prepared_statements`].

mod append;
#[cfg(feature = "benches")]
#[doc(hidden)]
pub mod benching;
mod builder;
mod cache;
mod condition;
mod consistency;
mod deadline;
mod decide;
mod ending;
mod error;
mod event;
mod filter;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod group;
mod health;
#[cfg(feature = "axum")]
pub mod health_http;
mod host;
mod keys;
mod known_history;
mod lent;
mod migration;
mod notifier;
mod panic;
mod password_file;
mod patience;
mod pool;
mod position;
mod privileges;
mod process;
mod projection;
mod query;
mod recompute;
mod routing;
mod schema;
mod session;
mod settings;
mod snapshot;
mod sql;
mod sqlstate;
mod stats;
mod store;
mod subscription;
mod tail;
mod telemetry;
#[cfg(feature = "rustls")]
mod tls;
mod token;
mod token_text;
mod transfer;
mod typed;
mod visibility;

pub use append::{Append, Receipt};
pub use builder::EventStoreBuilder;
pub use cache::{Cache, CacheBuilder, CacheStats};
pub use condition::AppendCondition;
pub use consistency::Consistency;
pub use decide::Decide;
pub use error::{Conflict, Error, ErrorKind};
pub use event::{EventId, EventType, NewEvent, RecordedEvent};
pub use filter::{FieldValue, Filter, FilterFingerprint};
pub use group::{ConsumerGroup, Delivery, GroupMember, GroupStatus, ParkedEvent, Run, Worker};
pub use health::{Health, PrimaryHealth, ReplicaHealth};
pub use keys::{IndexBuild, IndexProgress, IndexState, IndexedPath, IndexedPaths};
pub use migration::MigrationStatus;
pub use password_file::with_password_file;
pub use pool::PoolBackend;
#[doc(hidden)]
pub use pool::hosts;
pub use position::Position;
pub use privileges::{Privilege, PrivilegeHolder};
pub use process::{
    Command, ParkedWork, Process, ProcessError, ProcessManager, ProcessRun, ProcessStatus, Profile, Progress,
    Reaction, WakeUp,
};
pub use projection::{
    ApplyError, InlineProjection, Projection, ProjectionFailure, ProjectionStatus, Projector, ProjectorRun,
};
pub use query::{EventStream, History, IfNewer, Query};
pub use recompute::{RecomputeFailure, RecomputeRun, RecomputeStatus, Recomputed, Recomputer};
pub use session::Session;
pub use settings::{ReplicaFallback, Settings};
pub use snapshot::{Fold, Folded, Snapshot, SnapshotKey};
pub use stats::LogStats;
pub use store::EventStore;
pub use subscription::{Batch, Start, Subscribe, Subscription, SubscriptionStatus};
#[cfg(feature = "rustls")]
pub use tls::Tls;
pub use token::Token;
pub use transfer::{Export, Exported, Import, Imported, TransferProgress};
pub use typed::{DomainEvent, UnknownTypes, Upcast};
