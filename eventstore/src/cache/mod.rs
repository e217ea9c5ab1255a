//! A cache before reads: values in memory, dropped when an event says that they have changed.
//!
//! *Who owns what.* A [`Cache`] and its clones own one task, the [`Follower`](follower). It reads the live end of the log, as an ephemeral
//! [subscription](crate::Subscription) from now on does, and tells the [`Entries`](entries) which keys have changed at which positions.
//! Readers and the task share the entries behind a lock, which nobody holds while a value is loaded or a key is asked for. The task
//! ends, and what is kept goes, with the last clone or with the store, whose `close` waits for it.
//!
//! *By position.* A value comes with the token up to which it is complete.
//!
//! - An event drops the entry of its key, if that is complete up to less than the event's position.
//! - A load is kept if it is complete up to the last event with a key that had come when it began, and up to the last one of its own key
//!   that came meanwhile. So a replica that is behind puts nothing back that has been dropped. Its caller is given the value in any case.
//! - Where there is an entry already, the one that is complete up to more stays.
//!
//! *One load at a time.* Who misses a key that is being loaded waits for that load. Where it fails, is dropped, or is not new enough for
//! one that waits, the next one loads. Nobody waits for more than two loads of others: then they load for themselves.
//!
//! *States.*
//!
//! ```text
//!                    nothing heard, or behind, for too long
//!            ┌───────────────────────────────────────────────────┐
//!   start ─▶ open ◀──────── heard of again, up to now ───────── silent
//!            │  ▲                                                │
//!            │  └─ the head is known again; nothing is kept ──┐  │
//!            └────────── events can not be followed ─────▶ stopped
//! ```
//!
//! Open, it serves. Silent or stopped, every read loads for itself, as if there were no cache. What was kept goes in a silence, as
//! many events may come after it.
//!
//! *What is too long.* A healthy feed is heard of at least once in each [`poll_every`](crate::Settings::poll_every), also where nothing
//! happens. Twice that and a second without a word is a silence; so is the same time behind a head of the log that this handle knows. A stall
//! that is not seen so (a replica that answers and stands still, while this handle knows of no later event) is bounded by the
//! [age](CacheBuilder::max_age) of entries, which counts from when their loads began.
//!
//! *Failures.*
//! - Servers do not answer: silent. The feed waits for them, as subscriptions do.
//! - A failover loses the end of the log: everything goes as soon as this handle knows. Where the feed had come further than the new log, it ends;
//!   it is followed again from the new head on.
//! - A path of the filter is not indexed any more: stopped, and tried again with growing pauses.
//! - The function that names keys panics: stopped, for good. Loads still answer.
//! - A load fails: its caller is told, and nothing is kept.
//! - The store is closed: nothing is served; loads say what they say of a closed store.

mod builder;
mod entries;
mod follower;
mod handle;
mod underway;

pub use builder::CacheBuilder;
pub use handle::{Cache, CacheStats};
