//! Projections: views of events in tables of the log's database, right to the event.
//!
//! *Who owns what.* A [`Projection`] says which events it sees, which tables it keeps, and what an event does to them. A
//! [`Projector`] runs it. The database has its *generations*: each is built from the beginning of the log, has a schema of its own for
//! its tables, and a checkpoint among the [subscriptions](crate::Subscription). One generation is live: the one that is read,
//! in the schema `<log>_<projection>`. A task for each generation of the projector's version reads what comes, applies it, and moves the
//! checkpoint, all in one transaction.
//!
//! *What is promised.* Each event that matches is applied exactly once to each generation, in the order of the log: the tables and
//! the checkpoint change together or not at all. The checkpoint is locked while events are applied: one that is not known
//! to have been committed is settled before it could be applied again.
//!
//! *States of a generation.*
//!
//! ```text
//!   first version ────────────────────────────────▶ live ◀──── swapped ──── building ◀──── a later version, or rebuilt
//!                                                    │ ▲                     │ ▲
//!                        an event can not be applied │ │ run again           │ │
//!                                                    ▼ │                     ▼ │
//!                                                  stopped                 stopped
//! ```
//!
//! *Rebuilding.* The new generation is built beside the live one, in `<log>_<projection>_g<number>`, resting as long as it has worked,
//! so that others are served. When it is as far as the live one, both schemas are renamed in the transaction that says which one is
//! live: readers at READ COMMITTED see the old tables or the new ones, and
//! never an older state than before. The old one is dropped after that, with whatever depends on it.
//!
//! *Failures.*
//! - `apply` fails or panics: tried again a few times, with growing pauses; then event by event, so that all before the bad one are
//!   applied; then this generation stops, and its status names the event. Other projections, and other generations, go on.
//! - The process dies: its transaction is rolled back. Another projector of the same version, which was standing by, goes on after two
//!   heartbeats.
//! - It was stopped and goes on when another has taken over: its transactions are refused.
//! - A version that is older than the live one is refused. Where a later version goes live, the projectors of the older one end.
//! - A failover loses events that were applied: tables and checkpoint lie in the same database and lost the same; it goes on
//!   from there.
//! - A rebuild is interrupted: it goes on from its checkpoint.
//! - Servers do not answer: waited for.
//!
//! An *inline* projection is another thing: a function of the database that every append calls, see [`EventStore::register_inline_projection`].
//!
//! Where a key is hot, what is shown of it can be [recomputed](crate::EventStore::recomputed) instead.
//!
//! [`EventStore::register_inline_projection`]: crate::EventStore::register_inline_projection

mod applying;
mod calls;
mod definition;
mod generation;
mod inline;
mod projector;
mod run;
mod status;

pub use definition::{ApplyError, Projection};
pub use inline::InlineProjection;
pub use projector::Projector;
pub use run::ProjectorRun;
pub use status::{ProjectionFailure, ProjectionStatus};
