//! States folded from events, kept so that they need not be folded from the first event again.
//!
//! A snapshot belongs to a name and a filter: another filter is another snapshot. It rests on a token, as everything
//! that is read does: one of a history that was lost in a failover is not used. It is never replaced by an older one,
//! whoever saves last. The events are the truth and a snapshot only saves time: delete it whenever its shape changes,
//! or give the new shape a new name.

mod fold;
mod key;

pub use fold::{Fold, Folded};
pub use key::{Snapshot, SnapshotKey};
