//! One event as a line.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::iso8601::{
    Config, EncodedConfig, FormattedComponents, TimePrecision,
};
use time::format_description::well_known::{Iso8601, Rfc3339};
use uuid::Uuid;

use crate::error::Error;
use crate::event::{NewEvent, RecordedEvent, write_json};

/// Years before 0 have six digits and a sign.
const LONG_YEARS: EncodedConfig = Config::DEFAULT
    .set_year_is_six_digits(true)
    .set_formatted_components(FormattedComponents::DateTimeOffset)
    .set_time_precision(TimePrecision::Second { decimal_digits: std::num::NonZero::new(6) })
    .encode();

#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(default)]
    position: Option<u64>,
    id: Uuid,
    #[serde(rename = "type")]
    event_type: String,
    occurred_at: String,
    #[serde(default)]
    recorded_at: Option<String>,
    payload: Box<RawValue>,
    #[serde(default)]
    metadata: Option<Box<RawValue>>,
}

/// The line of an event, without the line's end.
pub(super) fn write(event: &RecordedEvent) -> Result<String, Error> {
    let raw = |value| RawValue::from_string(write_json(value)).map_err(unwritable);
    let line = Line {
        position: Some(event.position.get()),
        id: event.id.uuid(),
        event_type: event.event_type.as_str().to_owned(),
        occurred_at: instant(event.occurred_at)?,
        recorded_at: Some(instant(event.recorded_at)?),
        payload: raw(&event.payload)?,
        metadata: Some(raw(&event.metadata)?),
    };
    serde_json::to_string(&line).map_err(unwritable)
}

/// The event of a line. Its payload and metadata are checked when it is appended.
pub(crate) fn parse(text: &str) -> Result<NewEvent, Error> {
    // serde_json's own message may quote values, so it is not passed on.
    let line: Line = serde_json::from_str(text).map_err(|error| {
        let what = if error.is_data() { "is not an event" } else { "is not JSON" };
        Error::invalid(format!(
            "{what} (column {}); expected {{\"id\":UUID,\"type\":…,\"occurred_at\":INSTANT,\"payload\":…,\"metadata\":…}}",
            error.column()
        ))
    })?;
    let instant = OffsetDateTime::parse(&line.occurred_at, &Rfc3339)
        .or_else(|_| OffsetDateTime::parse(&line.occurred_at, &Iso8601::DEFAULT));
    let occurred_at = instant.map_err(|_| {
        Error::invalid("has an occurred_at that is no instant such as 2026-01-31T09:30:00.123456Z")
    })?;
    let event = NewEvent::from_json(line.event_type, line.payload.get()).id(line.id).occurred_at(occurred_at);
    Ok(match line.metadata {
        Some(metadata) => event.metadata_json(metadata.get()),
        None => event,
    })
}

fn instant(instant: OffsetDateTime) -> Result<String, Error> {
    let written =
        if instant.year() >= 0 { instant.format(&Rfc3339) } else { instant.format(&Iso8601::<LONG_YEARS>) };
    written.map_err(|error| Error::internal(format!("an instant can not be written: {error}")))
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::internal(format!("an event can not be written as JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn instants_come_back_whatever_their_year() {
        for at in [
            datetime!(2026-11-21 10:00:00.123456 UTC),
            datetime!(0000-01-01 00:00:00 UTC),
            datetime!(-4711-02-03 04:05:06.7 UTC),
            datetime!(9999-12-31 23:59:59.999999 UTC),
        ] {
            let text = instant(at).unwrap();
            let back = OffsetDateTime::parse(&text, &Rfc3339)
                .or_else(|_| OffsetDateTime::parse(&text, &Iso8601::DEFAULT));
            assert_eq!(back.unwrap(), at, "{text}");
        }
    }
}
