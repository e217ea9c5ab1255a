//! Recomputed projections: what is shown of a key is computed anew from the log, and not changed event by event.
//!
//! *Who owns what.* A [`Recomputed`] says which keys an event changes, how to compute what is shown of one, and how to save that. A
//! [`Recomputer`] runs it, in two parts. The [feeder](feeder) follows the log as a subscription, `recompute/<name>`, and notes the keys
//! of what comes, in the transaction that moves its checkpoint; one process at a time does so. The [workers](workers) claim keys that are
//! due, compute, and save; every process does so, each with a bound of its own. The database owns the queue: a row for each key. Whoever
//! appends writes nothing to it.
//!
//! *States of a key.*
//!
//! ```text
//!             an event of it                claim, its interval has passed
//!   saved ────────────────────▶ due ──────────────────────────────────────▶ leased: being computed, then saved
//!     ▲                         ▲ ▲                                            │ │ │
//!     │                         │ └── failed: after a pause ───────────────────┘ │ │
//!     │                         │     the lease runs out                         │ │
//!     │                         └──── saved, and an event came meanwhile ────────┘ │
//!     └────────────────────────────── saved, and none came ────────────────────────┘
//! ```
//!
//! *What is promised.* A thousand events of a key that come together make one recompute, or two. A key is begun at most once in its
//! interval. What is compared is *positions*: a claim notes the last event of the key that is known, the computation is given it, and what is
//! saved counts as complete up to there and no further. So an event that comes during a recompute has the key due again, whether
//! another one follows or not. A time of the last update would lose it. In the end everything that is shown is what the
//! log says, whatever was shown before; after a failover that lost events see below.
//!
//! *One at a time.* A key is leased to one claim, and leases are made to last longer while their process lives. Who can not do so for as
//! long as a lease lasts gives up what it computes, before anybody else may begin. A process that was stopped for longer, or whose
//! computation blocks its thread, may still be computing when another one has begun; its save is refused, as the
//! key is not leased to it any more. So what is saved of a key is never older than what was.
//!
//! *Failures.*
//! - A computation fails, or panics, or can not be saved: the key is tried again after a pause, which doubles from a second to five
//!   minutes, and never given up; its status says why. Other keys go on.
//! - The process dies: its leases run out, and others compute its keys. Another one follows the log after two heartbeats.
//! - The primary does not answer: waited for. What was computed is saved then, if its lease still holds.
//! - It is not known whether a save was committed: if it was not, the key is computed again.
//! - A failover loses events: the queue lies in the same database and has lost the same. Where the feeder had come further, and lives, all keys
//!   are computed again, as what they show may have been read from what was lost. Otherwise that is for an operator.
//! - `keys` panics, or gives a key that can not be stored: the run ends, and its error names the event.
//! - The server's clock is set back: keys that rest, rest for so much longer.

mod calls;
mod definition;
mod feeder;
mod hand;
mod held;
mod recomputer;
mod run;
mod status;
mod workers;

pub use definition::Recomputed;
pub use recomputer::Recomputer;
pub use run::RecomputeRun;
pub use status::{RecomputeFailure, RecomputeStatus};
