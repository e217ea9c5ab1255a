//! What the benchmarks ask for: books and readers of the events that the logs are filled with.

use rand::Rng as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use testutil::checker::Filter;

use crate::engine::{Books, EVENT_TYPE};

/// Draws books and readers that have events.
pub(super) struct Lending {
    books: Books,
    random: ChaCha8Rng,
}

impl Lending {
    pub(super) fn new(books: Books, seed: u64) -> Self {
        Self { books, random: ChaCha8Rng::seed_from_u64(seed) }
    }

    pub(super) fn book(&mut self) -> Value {
        Books::book(self.random.random_range(0..self.books.books))
    }

    pub(super) fn reader(&mut self) -> Value {
        Books::reader(self.random.random_range(0..self.books.readers))
    }
}

/// What concerns a book or a reader: some 85 events.
pub(super) fn of_either(book: &Value, reader: &Value) -> Filter {
    Filter::types([EVENT_TYPE]).and_any([("BookID", book.clone()), ("ReaderID", reader.clone())])
}

/// What concerns a book.
pub(super) fn of_book(book: &Value) -> Filter {
    Filter::types([EVENT_TYPE]).and_all([("BookID", book.clone())])
}

/// What every event of the logs has.
pub(super) fn of_everything() -> Filter {
    Filter::types([EVENT_TYPE])
}
