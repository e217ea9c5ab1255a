//! Process managers: what follows from events, over days if need be.
//!
//! *Who owns what.* A [`Process`] says which events it follows, which of them belong together (one *instance* for each value at a path), and
//! what follows from one: a [`Reaction`] of commands and wake-ups. A [`ProcessManager`] runs it, in two parts that may run in different
//! processes: one *reacts* to events, the other *dispatches* what is due. The database owns the work: a row for each command and wake-up,
//! and the events' own rows in the consumer group `process/<name>`.
//!
//! ```text
//!   events ──▶ consumer group ──▶ fold, react ──▶ commands ──▶ handle ──▶ done
//!                                     ▲    │                     │ ▲
//!                                     │    └─▶ wake-ups      started │ asked again
//!                                     └── wake ◀──┘              ▼ │
//!                                     └── fail ◀── failed ◀──── check ──▶ done
//! ```
//!
//! *What is promised.* Events of one instance are reacted to in the order of the log. What follows from an event is written in the same
//! statement that says that the event is done: once, whatever dies in between. A command is carried out at least once; its id stays
//! the same, so that whoever is asked twice can tell. A wake-up that was cancelled, or set anew, by a reaction before it was reacted to
//! itself has no effect.
//!
//! *State.* An instance's state is folded from its events, up to the one that is reacted to, with a snapshot on the way. Nothing else is
//! kept of it, so that nothing can differ from the log.
//!
//! *States of a command.*
//!
//! ```text
//!               claim              done
//!   waiting ─────────────▶ leased ───────▶ (deleted)
//!     ▲ ▲                  │ │ │ │
//!     │ └─ lease runs out ─┘ │ │ └── failed for good ──▶ parked, unless the process reacts to it ──▶ (deleted)
//!     └─── after a pause ◀───┘ └── started, or not done yet ──▶ waiting, to be asked after (the same again)
//! ```
//!
//! *Bounds.* The dispatcher has three lanes: commands, checks and wake-ups. Each holds at most a [batch](Profile::batch) in memory, however
//! much waits, and has so many under way; it fetches a batch in one statement, and says what came of it in one. It looks again at once
//! when there was work.
//!
//! *Failures.*
//! - A handler fails, panics, or takes too long: another attempt after a pause, which doubles; after so many the command has failed.
//! - The process dies between carrying out a command and saying so: its lease runs out, and it is carried out again, with the same id. What
//!   was claimed so often without a word is parked.
//! - What was started is not done by its deadline: it has failed.
//! - A reaction fails: tried again; then its event is parked in the group, and those of its instance wait behind it.
//! - Somebody locks the row of a piece of work: what came of that one is said when it is free, and all others go on.
//! - The primary does not answer: everything waits. What was carried out meanwhile is said when it answers.
//! - A failover loses events: the work that followed from them is lost with them.
//! - The server's clock jumps forwards: wake-ups come early.

mod calls;
mod definition;
mod dispatcher;
mod handling;
mod held;
mod manager;
mod outcomes;
mod profile;
mod queue;
mod reacting;
mod reaction;
mod run;
mod saying;
mod statements;
mod status;
mod work;

pub use definition::{Command, Process, ProcessError, Progress, WakeUp};
pub use manager::ProcessManager;
pub use profile::Profile;
pub use reaction::Reaction;
pub use run::ProcessRun;
pub use status::{ParkedWork, ProcessStatus};
