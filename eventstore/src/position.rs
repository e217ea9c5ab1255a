//! Where an event stands in its log.

use std::fmt;

/// The place of an event in its log: 1, 2, 3 … in commit order, without gaps.
///
/// If a position is visible anywhere, on the primary or on a replica, every lower position is settled and
/// visible there too. Readers, conditions and checkpoints rest on that sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(u64);

impl Position {
    /// Before the first event: the position of an empty log.
    pub const START: Self = Self(0);

    /// A position from its number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number of this position; the first event has 1.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// As PostgreSQL stores it. Numbers beyond its range lie beyond every head, and stay there.
    pub(crate) fn to_sql(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    /// From the database, where positions are never negative.
    pub(crate) fn from_sql(number: i64) -> Self {
        Self(u64::try_from(number).unwrap_or(0))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<u64> for Position {
    fn from(number: u64) -> Self {
        Self(number)
    }
}
