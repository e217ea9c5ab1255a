//! What is printed.

use std::io::Write as _;

use eventstore::RecordedEvent;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::Failure;

/// A line on standard output, at once: `tail` may be read by another program.
pub(crate) fn line(text: impl std::fmt::Display) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(Failure::io("standard output"))
}

/// An event as JSON, as an export has it.
pub(crate) fn event(event: &RecordedEvent) -> Value {
    json!({
        "position": event.position.get(),
        "id": event.id.to_string(),
        "type": event.event_type.as_str(),
        "occurred_at": instant(event.occurred_at),
        "recorded_at": instant(event.recorded_at),
        "payload": event.payload,
        "metadata": event.metadata,
    })
}

/// As RFC 3339 writes it.
pub(crate) fn instant(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_else(|_| at.to_string())
}
