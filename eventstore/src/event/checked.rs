//! Drafts become checked events here, and nowhere else.

use std::collections::HashSet;

use serde_json::Value;
use time::{Duration, OffsetDateTime, UtcOffset};

use crate::error::Error;
use crate::event::draft::Json;
use crate::event::{EventId, EventType, NewEvent, json};
use crate::settings::Settings;

/// An event that PostgreSQL will accept. Its JSON is serialised once, here, in the caller's task.
#[derive(Debug)]
pub(crate) struct CheckedEvent {
    pub(crate) id: EventId,
    pub(crate) event_type: EventType,
    pub(crate) occurred_at: OffsetDateTime,
    /// For the matcher, which settles conflicts inside one batch.
    pub(crate) payload: Value,
    pub(crate) payload_text: String,
    pub(crate) metadata_text: String,
}

impl CheckedEvent {
    /// About how much of a batch this event takes, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.payload_text.len() + self.metadata_text.len() + self.event_type.as_str().len()
    }
}

/// Checks all events of one append.
pub(crate) fn check_events(
    drafts: impl IntoIterator<Item = NewEvent>,
    settings: &Settings,
) -> Result<Vec<CheckedEvent>, Error> {
    let mut events = Vec::new();
    let mut ids = HashSet::new();
    let mut bytes = 0;
    for draft in drafts {
        if events.len() == settings.max_events_per_append {
            return Err(Error::invalid(format!(
                "append has more than {} events, the limit of one append",
                settings.max_events_per_append
            )));
        }
        let event = check_event(draft, settings)?;
        if !ids.insert(event.id) {
            return Err(Error::invalid(format!("append has two events with the id {}", event.id)));
        }
        bytes += event.size();
        if bytes > settings.max_append_bytes {
            return Err(Error::invalid(format!(
                "append has more than {} bytes of JSON, the limit of one append",
                settings.max_append_bytes
            )));
        }
        events.push(event);
    }
    if events.is_empty() {
        return Err(Error::invalid("append has no events; expected at least one"));
    }
    Ok(events)
}

/// Checks one event.
pub(crate) fn check_event(draft: NewEvent, settings: &Settings) -> Result<CheckedEvent, Error> {
    // First what may be wrong with the whole event.
    let (payload, payload_text) = check_json(draft.payload, "payload", settings)?;
    let event_type = EventType::new(draft.event_type)?;
    let (_, metadata_text) = check_json(draft.metadata, "metadata", settings)?;
    Ok(CheckedEvent {
        id: draft.id,
        event_type,
        occurred_at: check_instant(draft.occurred_at, "occurred_at")?,
        payload,
        payload_text,
        metadata_text,
    })
}

fn check_json(json: Json, what: &str, settings: &Settings) -> Result<(Value, String), Error> {
    let value = match json {
        Json::Value(value) => value,
        Json::Text(text) => {
            check_size(text.len(), what, settings)?;
            json::parse(&text, what)?
        }
        Json::Unwritable(why) => return Err(Error::invalid(format!("event can not be written: {why}"))),
    };
    json::check(&value, what)?;
    let text = json::write(&value);
    check_size(text.len(), what, settings)?;
    Ok((value, text))
}

fn check_size(bytes: usize, what: &str, settings: &Settings) -> Result<(), Error> {
    if bytes > settings.max_payload_bytes {
        return Err(Error::invalid(format!(
            "{what} has {bytes} bytes of JSON; expected at most {}",
            settings.max_payload_bytes
        )));
    }
    Ok(())
}

/// An instant that a `timestamptz` can keep, to the microsecond, in UTC.
pub(crate) fn check_instant(instant: OffsetDateTime, what: &str) -> Result<OffsetDateTime, Error> {
    // PostgreSQL reaches from 4713 BC to 294276 AD; `time` without large dates from -9999 to 9999.
    let utc =
        instant.checked_to_offset(UtcOffset::UTC).filter(|utc| utc.year() >= -4711).ok_or_else(|| {
            Error::invalid(format!("{what} is outside the years that PostgreSQL can store, -4711 to 9999"))
        })?;
    Ok(utc - Duration::nanoseconds(i64::from(utc.nanosecond() % 1_000)))
}
