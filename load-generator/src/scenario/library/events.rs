//! The library's events, in the ancestor's shape: three strings of payload, three UUIDs of metadata.

use rand::Rng;
use serde_json::Value;
use testutil::checker::LogEvent;
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

pub(super) const TYPES: [&str; 6] = [ADDED, REMOVED, LENT, RETURNED, REGISTERED, CANCELED];
pub(super) const LOAN_TYPES: [&str; 2] = [LENT, RETURNED];

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

/// The id of a new book or reader, from the run's seed.
pub(super) fn new_id(random: &mut impl Rng) -> Uuid {
    uuid::Builder::from_random_bytes(random.random()).into_uuid()
}

/// The book or reader that an event is about.
pub(super) fn id(event: &LogEvent, path: &str) -> Option<Uuid> {
    event.payload.get(path).and_then(Value::as_str).and_then(|id| id.parse().ok())
}

fn event(event_type: &'static str, ids: &[(&str, Uuid)]) -> Draft {
    let mut payload: serde_json::Map<String, Value> =
        ids.iter().map(|(path, id)| ((*path).to_owned(), id.to_string().into())).collect();
    let now = humantime::format_rfc3339_micros(std::time::SystemTime::now()).to_string();
    payload.insert("OccurredAt".to_owned(), now.into());
    Draft::new(event_type, Value::Object(payload))
}
