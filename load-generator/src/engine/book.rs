//! The events of the benchmarks: books that are lent to readers, in the ancestor's shape and density.

use serde_json::{Value, json};
use testutil::checker::Filter;
use uuid::Uuid;

use crate::engine::{After, Append, Condition, Draft};

/// The type of every event of a benchmark.
pub(crate) const EVENT_TYPE: &str = "BookCopyLentToReader";
/// The payload paths of a benchmark that identify things, and so have keys.
pub(crate) const BENCH_PATHS: [&str; 2] = ["BookID", "ReaderID"];
/// The ancestor's: a book has some 15 events in a million, a reader 70.
const ANCESTOR: Books = Books { books: 60_000, readers: 14_000 };

/// How many books and readers a log is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Books {
    pub(crate) books: u64,
    pub(crate) readers: u64,
}

impl Books {
    /// As many as the ancestor has, however many events there are.
    pub(crate) fn of_ancestor() -> Self {
        ANCESTOR
    }

    /// So many that each has in a log of this size what the ancestor's have in a million events.
    pub(crate) fn dense(events: u64) -> Self {
        let share = |number: u64| (number * events / 1_000_000).max(1);
        Self { books: share(ANCESTOR.books), readers: share(ANCESTOR.readers) }
    }

    pub(crate) fn book(number: u64) -> Value {
        json!(format!("{number:08x}-0000-4000-8000-000000000001"))
    }

    pub(crate) fn reader(number: u64) -> Value {
        json!(format!("{number:08x}-0000-4000-8000-000000000000"))
    }
}

/// An event of some 390 bytes, with a payload of three strings; the same books and readers as in the statements that fill the
/// baselines' logs.
pub(crate) fn book_event(books: Books, number: u64) -> Draft {
    let book = Books::book(number * 7_919 % books.books);
    lent(book, Books::reader(number * 104_729 % books.readers))
}

fn lent(book: Value, reader: Value) -> Draft {
    let payload = json!({"BookID": book, "ReaderID": reader, "OccurredAt": "2026-11-21T10:00:00.123456789Z"});
    Draft::new(EVENT_TYPE, payload)
}

impl Draft {
    /// Lends a book that nobody has heard of to one of the ancestor's readers.
    pub(crate) fn fresh(reader: u64) -> Self {
        lent(json!(Uuid::new_v4()), Books::reader(reader % ANCESTOR.readers))
    }
}

impl Append {
    /// One fresh event, on the condition that its type has no event of its book.
    pub(crate) fn fresh(reader: u64) -> Self {
        let draft = Draft::fresh(reader);
        let filter = Filter::types([EVENT_TYPE]).and_all([("BookID", draft.payload["BookID"].clone())]);
        Self { events: vec![draft], condition: Some(Condition { filter, after: After::default() }) }
    }
}
