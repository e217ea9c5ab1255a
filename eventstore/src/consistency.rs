//! How new a read must be.

use crate::token::Token;

/// How new the answer of a read must be, and so which server may give it. Always an argument, never ambient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Consistency {
    /// Everything that was acknowledged before the read began: the primary. For decisions.
    #[default]
    Strong,
    /// Whatever a replica has: a consistent prefix of the log, possibly a little old. The primary where there is
    /// no replica in rotation. For views.
    Eventual,
    /// At least everything up to a token: a replica that has it, else the primary. For reading your own writes.
    AtLeast(Token),
}
