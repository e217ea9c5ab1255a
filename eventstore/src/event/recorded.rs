//! An event as the log returns it.

use serde::de::DeserializeOwned;
use serde_json::Value;
use time::OffsetDateTime;

use crate::error::Error;
use crate::event::{EventId, EventType};
use crate::position::Position;
use crate::token::Token;

/// An event in the log.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RecordedEvent {
    /// Where it stands in the log.
    pub position: Position,
    /// Its identity, as given when it was appended.
    pub id: EventId,
    /// Its type.
    pub event_type: EventType,
    /// When it occurred, by the application's clock, in UTC.
    pub occurred_at: OffsetDateTime,
    /// When the log recorded it, by the database's clock, in UTC; never decreases from one position to the next.
    pub recorded_at: OffsetDateTime,
    /// Its payload.
    pub payload: Value,
    /// Its metadata.
    pub metadata: Value,
}

impl RecordedEvent {
    /// The point in history that this event marks.
    #[must_use]
    pub fn token(&self) -> Token {
        Token::new(self.position, self.id)
    }

    /// Decodes the payload.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if the payload does not have the shape of `T`; the error names the
    /// position and the event type, never the payload.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        // serde_json's own message quotes the value, so it is not passed on.
        T::deserialize(&self.payload).map_err(|_| {
            Error::invalid(format!(
                "payload of {} at position {} has another shape than the type it is decoded into",
                self.event_type, self.position
            ))
        })
    }
}
