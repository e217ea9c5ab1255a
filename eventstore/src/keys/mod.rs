//! Which paths of payloads have keys.
//!
//! They belong to the log, and the append function makes the keys: handles that disagreed would miss each other's
//! conflicts. A path can be declared, and dropped, while others append.
//!
//! *Declaring.* One call notes the path under the append lock: from its commit on every append gives it keys, and the
//! events before it are all known. Theirs are made step by step, in position order, beside running appends and without
//! their lock; each step notes how far it came in the same transaction. Then the path is ready, and only then may
//! filters use it. *Dropping* is the same the other way round: filters may not use the path at once, appends give it
//! no more keys, and those that are there are deleted step by step.
//!
//! *Failures.* A step is done or not done. Whoever calls again, here or in another process, goes on where the last one
//! ended; several at once take turns. Nothing is held between steps.

mod build;
mod indexed;

pub use build::{IndexBuild, IndexProgress};
pub(crate) use indexed::WantedPaths;
pub use indexed::{IndexState, IndexedPath, IndexedPaths};
