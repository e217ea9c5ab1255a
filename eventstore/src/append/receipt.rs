//! What an accepted append returns.

use crate::position::Position;
use crate::token::Token;

/// Proof that events are in the log, durably, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    first: Position,
    last: Token,
    repeated: bool,
}

impl Receipt {
    pub(crate) fn new(first: Position, last: Token, repeated: bool) -> Self {
        Self { first, last, repeated }
    }

    /// Position of the first event appended.
    #[must_use]
    pub fn first_position(&self) -> Position {
        self.first
    }

    /// Position of the last event appended.
    #[must_use]
    pub fn last_position(&self) -> Position {
        self.last.position()
    }

    /// The positions of the events, in the order given: they are contiguous.
    pub fn positions(&self) -> impl Iterator<Item = Position> + use<> {
        (self.first.get()..=self.last.position().get()).map(Position::new)
    }

    /// The point in history right after the append: read at least this to see it.
    #[must_use]
    pub fn token(&self) -> Token {
        self.last
    }

    /// Whether these very events had been appended before, so that nothing was written this time.
    #[must_use]
    pub fn is_repeated(&self) -> bool {
        self.repeated
    }
}
