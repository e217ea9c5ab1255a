//! Events: as drafts, as checked values, and as the log returns them.

mod checked;
mod draft;
mod event_id;
mod event_type;
mod json;
mod recorded;

pub(crate) use checked::{CheckedEvent, check_event, check_events, check_instant};
pub use draft::NewEvent;
pub use event_id::EventId;
pub use event_type::EventType;
pub(crate) use json::check_stored as check_json;
#[cfg(fuzzing)]
pub(crate) use json::parse as parse_json;
pub(crate) use json::unreadable;
pub(crate) use json::write as write_json;
pub use recorded::RecordedEvent;
