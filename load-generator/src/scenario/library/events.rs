//! The library's events, in the ancestor's shape: three strings of payload, three UUIDs of metadata.

use rand::Rng;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::engine::Draft;

pub(super) const BOOK: &str = "BookID";
pub(super) const READER: &str = "ReaderID";

pub(super) const ADDED: &str = "BookCopyAddedToCirculation";
pub(super) const REMOVED: &str = "BookCopyRemovedFromCirculation";
pub(super) const LENT: &str = "BookCopyLentToReader";
pub(super) const RETURNED: &str = "BookCopyReturnedByReader";
pub(super) const REGISTERED: &str = "ReaderRegistered";
pub(super) const CANCELED: &str = "ReaderContractCanceled";

pub(super) const LENDING_FAILED: &str = "LendingBookToReaderFailed";
pub(super) const RETURNING_FAILED: &str = "ReturningBookFromReaderFailed";
pub(super) const ADDING_FAILED: &str = "AddingBookCopyToCirculationFailed";
pub(super) const REMOVING_FAILED: &str = "RemovingBookCopyFromCirculationFailed";
pub(super) const REGISTERING_FAILED: &str = "RegisteringReaderFailed";
pub(super) const CANCELING_FAILED: &str = "CancelingReaderContractFailed";

/// What decisions rest on. That a command failed changes nothing, and so makes no other one conflict.
pub(super) const TYPES: [&str; 6] = [ADDED, REMOVED, LENT, RETURNED, REGISTERED, CANCELED];
pub(super) const LOAN_TYPES: [&str; 2] = [LENT, RETURNED];
pub(super) const BOOK_TYPES: [&str; 4] = [ADDED, REMOVED, LENT, RETURNED];

pub(super) fn added(book: Uuid) -> Draft {
    event(ADDED, &[(BOOK, book)])
}

pub(super) fn removed(book: Uuid) -> Draft {
    event(REMOVED, &[(BOOK, book)])
}

pub(super) fn lent(book: Uuid, reader: Uuid) -> Draft {
    event(LENT, &[(BOOK, book), (READER, reader)])
}

pub(super) fn returned(book: Uuid, reader: Uuid) -> Draft {
    event(RETURNED, &[(BOOK, book), (READER, reader)])
}

pub(super) fn registered(reader: Uuid) -> Draft {
    event(REGISTERED, &[(READER, reader)])
}

pub(super) fn canceled(reader: Uuid) -> Draft {
    event(CANCELED, &[(READER, reader)])
}

/// A command failed; `event_type` is one of the six that say so.
pub(super) fn failed(event_type: &'static str, ids: &[(&str, Uuid)], reason: &str) -> Draft {
    let mut payload = fields(ids);
    payload.insert("Reason".to_owned(), reason.into());
    Draft::new(event_type, Value::Object(payload))
}

/// The id of a new book or reader, from the run's seed.
pub(super) fn new_id(random: &mut impl Rng) -> Uuid {
    uuid::Builder::from_random_bytes(random.random()).into_uuid()
}

/// The book or reader that an event with this payload is about.
pub(super) fn id(payload: &Value, path: &str) -> Option<Uuid> {
    payload.get(path).and_then(Value::as_str).and_then(|id| id.parse().ok())
}

fn event(event_type: &'static str, ids: &[(&str, Uuid)]) -> Draft {
    Draft::new(event_type, Value::Object(fields(ids)))
}

fn fields(ids: &[(&str, Uuid)]) -> Map<String, Value> {
    let mut payload: Map<String, Value> =
        ids.iter().map(|(path, id)| ((*path).to_owned(), id.to_string().into())).collect();
    let now = humantime::format_rfc3339_micros(std::time::SystemTime::now()).to_string();
    payload.insert("OccurredAt".to_owned(), now.into());
    payload
}
