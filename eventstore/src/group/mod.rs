//! Consumer groups: the events of a filter, shared by many workers on many machines.
//!
//! *Who owns what.* The database owns the work: a row for each event that is due, leased, waiting for another attempt, parked, or behind
//! something parked; what is done is deleted, and folded into the group's checkpoint. A [`Worker`] is one member of a group; it has a
//! task that owns its [`Book`](book): what this member has leased and not settled. Takers own their [`Delivery`]s.
//!
//! *No leader.* Any member whose takers find nothing to claim feeds the group: it reads the live end of the log as a subscription does, and puts what
//! matches into the work, in a statement that notices if another one has done so before. Claims skip what others lock. So a
//! member that joins claims, one that leaves hands back, and one that dies is missed by nobody: its leases run out.
//!
//! *Claims.* All takers of a worker share a claim. Where no order is kept, handlers that are fast have some events [claimed ahead](pace), as many
//! as they handle in 20 ms; what nobody asks for within 100 ms is handed back.
//!
//! *States of an event.*
//!
//! ```text
//!               claim                      done
//!   ready ─────────────────▶ leased ───────────────────▶ (deleted)
//!     ▲ ▲                     │ │ │
//!     │ └── lease runs out, ──┘ │ └── failed for good ──▶ parked ── replayed ──▶ ready
//!     │     handed back         │                           │
//!     └─── after a pause ◀──────┘ failed                    └── dropped ─────▶ (deleted)
//! ```
//!
//! *Order.* [`ordered_by`](ConsumerGroup::ordered_by) keeps it for each value of a path: an event is claimed when all earlier ones of its key are done,
//! or together with them, to be handed over one after the other. [`exclusive`](ConsumerGroup::exclusive) keeps it among all: one
//! worker has work at a time. What is parked blocks its key, and nothing else. What waits for another attempt blocks its key too, and counts as
//! work: where 4,000 events wait behind such, nothing is fed until it has succeeded or is parked; nor,
//! in an [`exclusive`](ConsumerGroup::exclusive) group, where they wait behind something parked, until that is replayed or dropped.
//!
//! *Fencing.* A lease is named by its claim. Only the claim that has leased an event last can settle it, and in order of
//! the key; whoever was too late is told ([`LeaseLost`](crate::ErrorKind::LeaseLost)). What a handler does in the same database is fenced
//! with it by [`Delivery::done_in`].
//!
//! *Failures.*
//! - A handler fails, panics, or takes longer than its [time limit](ConsumerGroup::time_limit): another attempt after a pause, which doubles; after so
//!   many attempts the event is parked.
//! - A handler hangs and its thread with it: its lease is not made longer past the time limit, others go on, and its answer is refused.
//! - The process dies, or stops: its leases run out, and others claim what it had. What has been claimed so often without a word is parked,
//!   as it may be what killed them; and with it, it may be, what was claimed together with it each time.
//! - Events are so large that a claim times out: the next one is for half as many, down to one; quick ones grow again.
//! - The primary does not answer: everything waits, with growing pauses. What was said meanwhile is said when it answers, unless the
//!   lease has run out by then.
//! - It does not answer for longer than a lease, and a member then claims again what it still has: the earlier delivery is lost, and the later
//!   one is handed over.
//! - The primary crashes: claims are not flushed, and may be forgotten; what had been claimed is claimed again. Answers are flushed.
//! - A failover loses events: the work lies in the same database and lost the same. The group goes on from there.
//! - The server's clock jumps: forwards, leases run out early; backwards, a lease that ends beyond any that is given counts as over.
//!   Fencing holds in either case.
//! - The filter or the order changed: refused, as the work that is there was made with the old one; the error says how to go on.
//!
//! *The end.* [`Worker::close`], dropping it, and closing the store have everything handed back that is not settled, at once.

mod book;
mod call;
mod calls;
mod claiming;
mod command;
mod delivery;
mod feeding;
mod membership;
mod ops;
mod order;
mod pace;
mod run;
mod settling;
mod size;
mod status;
mod task;
mod telling;
mod worker;

pub use call::ConsumerGroup;
pub use delivery::Delivery;
pub(crate) use membership::Backoff;
pub use run::Run;
pub use status::{GroupMember, GroupStatus, ParkedEvent};
pub use worker::Worker;
