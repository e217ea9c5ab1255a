//! An event before it is appended.

use serde_json::Value;
use time::OffsetDateTime;

use crate::event::EventId;

/// An event to append: a draft, checked when it is appended and before anything is sent.
///
/// ```
/// use eventstore::NewEvent;
/// use serde_json::json;
///
/// let lent = NewEvent::new("BookCopyLentToReader", json!({"BookID": "b-1", "ReaderID": "r-9"}))
///     .metadata(json!({"CausationID": "c-77"}));
/// # let _ = lent;
/// ```
#[derive(Debug, Clone)]
pub struct NewEvent {
    pub(super) id: EventId,
    pub(super) event_type: String,
    pub(super) payload: Json,
    pub(super) metadata: Json,
    pub(super) occurred_at: OffsetDateTime,
}

/// JSON as the caller gave it.
#[derive(Debug, Clone)]
pub(super) enum Json {
    Value(Value),
    Text(String),
    /// What could not be made JSON, and why.
    Unwritable(String),
}

impl NewEvent {
    /// An event of a type with a payload, a new id, empty metadata, and now as the time it occurred.
    #[must_use]
    pub fn new(event_type: impl Into<String>, payload: Value) -> Self {
        Self::draft(event_type.into(), Json::Value(payload))
    }

    /// The same from JSON text. The text is parsed when the event is appended; numbers that a 64-bit integer or
    /// float can not keep exactly are refused then, never rounded.
    #[must_use]
    pub fn from_json(event_type: impl Into<String>, payload: impl Into<String>) -> Self {
        Self::draft(event_type.into(), Json::Text(payload.into()))
    }

    pub(crate) fn unwritable(why: String) -> Self {
        Self::draft(String::new(), Json::Unwritable(why))
    }

    fn draft(event_type: String, payload: Json) -> Self {
        Self {
            id: EventId::generate(),
            event_type,
            payload,
            metadata: Json::Value(Value::Object(serde_json::Map::new())),
            occurred_at: OffsetDateTime::now_utc(),
        }
    }

    /// Sets the id. Appending the same id again is safe: it is stored once.
    #[must_use]
    pub fn id(mut self, id: impl Into<EventId>) -> Self {
        self.id = id.into();
        self
    }

    /// Sets the metadata: anything that is not part of the fact itself, such as who caused it.
    #[must_use]
    pub fn metadata(mut self, metadata: Value) -> Self {
        self.metadata = Json::Value(metadata);
        self
    }

    /// The same from JSON text, as in [`from_json`](Self::from_json).
    #[must_use]
    pub fn metadata_json(mut self, metadata: impl Into<String>) -> Self {
        self.metadata = Json::Text(metadata.into());
        self
    }

    /// Sets when it occurred, by the application's clock; kept to the microsecond.
    #[must_use]
    pub fn occurred_at(mut self, instant: OffsetDateTime) -> Self {
        self.occurred_at = instant;
        self
    }

    /// The id that this event has or will have.
    #[must_use]
    pub fn event_id(&self) -> EventId {
        self.id
    }
}
