//! How new a read must be.

use std::time::Duration;

use crate::token::Token;

/// How new the answer of a read must be, and so which server may give it. Always an argument, never ambient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Consistency {
    /// Everything that was acknowledged before the read began: the primary. For decisions.
    #[default]
    Strong,
    /// Whatever a replica has: a consistent prefix of the log, possibly a little old. Where there is no replica in rotation,
    /// as [`Settings::replica_fallback`](crate::Settings::replica_fallback) has it. For views.
    Eventual,
    /// At least everything up to a token: a replica that has it, or has it within
    /// [`Settings::replica_wait`](crate::Settings::replica_wait), else as
    /// [`Settings::replica_fallback`](crate::Settings::replica_fallback) has it. For reading your own writes.
    AtLeast(Token),
    /// Everything that was acknowledged so long ago: a replica that has it, else as
    /// [`Settings::replica_fallback`](crate::Settings::replica_fallback) has it. What the primary had is known from
    /// reads of it; where there was none in that time, it is asked for its head, once for all who wait for that. (The age of what a
    /// replica has replayed says nothing: it grows while nobody writes.)
    MaxLag(Duration),
}
