//! A place in the history of one log, not only a number.

use crate::event::EventId;
use crate::position::Position;

/// A point in a log's history: a position and the id of the event that stands there.
///
/// Histories and receipts give tokens; append conditions and reads take them. Because a token names its event,
/// a log that lost its end in a failover is noticed ([`HistoryDiverged`](crate::ErrorKind::HistoryDiverged))
/// and never silently skipped. Treat it as opaque.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    position: Position,
    id: EventId,
}

impl Token {
    /// Before the first event of any log.
    pub const START: Self = Self { position: Position::START, id: EventId::NIL };

    pub(crate) const fn new(position: Position, id: EventId) -> Self {
        Self { position, id }
    }

    /// As the database has it.
    pub(crate) fn stored(position: Position, id: uuid::Uuid) -> Self {
        if position == Position::START { Self::START } else { Self::new(position, id.into()) }
    }

    /// The position this token names.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// The id of the event that stands there; of [`START`](Self::START) one that no event has. For logs and audits: it is the
    /// store that compares it.
    #[must_use]
    pub const fn event_id(&self) -> EventId {
        self.id
    }

    pub(crate) fn is_start(&self) -> bool {
        self.position == Position::START
    }
}

impl Default for Token {
    fn default() -> Self {
        Self::START
    }
}
