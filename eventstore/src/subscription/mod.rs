//! Subscriptions: everything that matches a filter, from some point on, as it comes.
//!
//! *Who owns what.* A [`Subscription`] owns a [`Feed`](crate::tail::Feed) and hands over what it gives, in batches. Where it comes to
//! in the log is the caller's to say: a [`Batch`] is done with when it is committed, and the *checkpoint* in the database is the
//! token of the last one that was. The row of the checkpoint has a *holder*: the one subscription of this name, of whatever process,
//! that may commit. A handle has one [`Heart`](heart), a task that says for all its subscriptions together that they are still held.
//!
//! *States of the row.*
//!
//! ```text
//!                         start                         two heartbeats missed
//!   (no row) ──▶ free ───────────▶ held by a ─────────────────────────────────▶ held by a, dead
//!                 ▲                 │      ▲                                        │
//!                 └── close, drop ──┘      └──── start: held by b, not by a ────────┘
//! ```
//!
//! *What is promised.* Every event that matches and stands after the checkpoint is handed over, in order, at least once: again
//! after a start, if it was not committed. Committed in the caller's own transaction ([`Batch::commit_in`]), what it did for the
//! batch and the checkpoint are there together or not at all: that is exactly once, for effects in this database.
//!
//! *Failures.*
//! - The process dies: after two heartbeats another one may start in its place, from the checkpoint.
//! - The process was stopped, and goes on after another one has started: its commits are refused, and it ends
//!   ([`LeaseLost`](crate::ErrorKind::LeaseLost)).
//! - Two of one name at once: the second is told who holds it ([`Unavailable`](crate::ErrorKind::Unavailable)); it may try again
//!   until that one has ended.
//! - The server's clock jumps: forwards, everybody counts as dead until the next heartbeat, and may be replaced; backwards, who has
//!   died does at once. Either way there is one holder, and the other one can not commit.
//! - A failover loses events that were handed over: the subscription ends as [`HistoryDiverged`](crate::ErrorKind::HistoryDiverged).
//!   Its checkpoint lies in the same database and lost what it said of them, so that a new start goes on from where log and checkpoint agree. A
//!   checkpoint that the log does not have (of a database put back from a backup, say) is refused in the same way, and never skipped.
//! - A failover loses commits of the checkpoint, with what was done in the same transactions, and not the events: going on after these would
//!   leave a hole. The checkpoint is before a place where it was, which commits and heartbeats see: the subscription ends in the same way,
//!   and a new start hands the events over again.
//! - Servers do not answer: waited for; the subscription goes on by itself.

mod batch;
mod call;
mod heart;
mod link;
mod places;
mod start;
mod status;
mod stream;

pub use batch::Batch;
pub use call::Subscribe;
pub(crate) use heart::Heart;
pub(crate) use link::who;
pub use start::Start;
pub use status::SubscriptionStatus;
pub use stream::Subscription;

use crate::error::Error;

const MAX_NAME_BYTES: usize = 255;
/// How the names of projections' checkpoints begin.
const PROJECTIONS: &str = "projection/";
/// And those of recomputed projections.
pub(crate) const RECOMPUTED: &str = "recompute/";

/// Refuses names of subscriptions and groups that can not be stored.
pub(crate) fn check_name(kind: &str, name: &str) -> Result<(), Error> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains('\0') {
        return Err(Error::invalid(format!(
            "{kind} name has {} bytes; expected 1 to {MAX_NAME_BYTES}, without NUL",
            name.len()
        )));
    }
    Ok(())
}

/// Refuses those of projections: their checkpoints belong to tables.
pub(crate) fn check_not_reserved(name: &str) -> Result<(), Error> {
    if name.starts_with(PROJECTIONS) {
        return Err(Error::invalid(format!(
            "subscription name {name:?} is that of a projection, whose checkpoint belongs to its tables; rebuild or delete the projection"
        )));
    }
    if name.starts_with(RECOMPUTED) {
        return Err(Error::invalid(format!(
            "subscription name {name:?} is that of a recomputed projection, whose checkpoint belongs to its keys; recompute or delete the \
             projection"
        )));
    }
    Ok(())
}
