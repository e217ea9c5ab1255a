//! The library that the load begins with.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::command::MOST_LOANS;
use super::events;
use super::shelf::Shelf;
use crate::engine::Draft;
use crate::scenario::library::LibraryOptions;

/// Below this, commands could not have an effect.
const FEWEST: u64 = 50;

/// How large it is. Two thirds of its events add books; the rest register readers, lend and return.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stock {
    books: u64,
    readers: u64,
    /// How many free books, loans and readers there are at least.
    free: u64,
}

impl Stock {
    /// Of a log with so many events before so many workers come. Where that is not enough for as many books as asked for, there
    /// are fewer books and readers, in proportion.
    pub(crate) fn new(options: &LibraryOptions, events: u64, workers: usize) -> Self {
        // Each worker takes one out, and mostly finds another one than its neighbours.
        let needed = (workers as u64 * 2).max(FEWEST);
        let books = (events * 2 / 3).max(needed * 8).min(options.books).max(1);
        let in_proportion = options.readers * books / options.books.max(1);
        let readers = in_proportion.max(needed).min(options.readers).max(1);
        Self { books, readers, free: needed.min(books / 8) }
    }

    /// Whether commands of that many workers at once can have an effect.
    pub(crate) fn is_met(&self, shelf: &Shelf) -> bool {
        // Half of what readers may have at most, which may be less than what is asked for.
        let most_loans = self.readers * u64::from(MOST_LOANS) / 2;
        shelf.known_available() >= self.free
            && shelf.known_loans() >= self.free.min(most_loans)
            && shelf.known_readers() >= self.free.min(self.readers)
    }

    /// The next event of a valid history on the way there, in which books are lent by popularity.
    pub(crate) fn next_event(&self, shelf: &mut Shelf, random: &mut ChaCha8Rng) -> Draft {
        let (books, loans) = (shelf.known_books(), shelf.known_loans());
        if shelf.known_readers() < self.readers.min(1 + books * self.readers / self.books) {
            let reader = events::new_id(random);
            shelf.put_reader(reader);
            return events::registered(reader);
        }
        let is_full = books >= self.books;
        // Loans early, so that a short history has some too; then about a quarter of all books is lent.
        let lend = match loans {
            0 if is_full => true,
            _ if loans * 4 < books => random.random_ratio(3, 4),
            _ => loans * 2 < books && random.random_ratio(1, 8),
        };
        if lend
            && let Some(reader) = shelf.reader_with_room(random)
            && let Some(book) = shelf.take_available(random)
        {
            shelf.put_lent(book, reader);
            return events::lent(book, reader);
        }
        if is_full && let Some((book, reader)) = shelf.take_loan(random) {
            shelf.put_available(book);
            return events::returned(book, reader);
        }
        let book = events::new_id(random);
        shelf.put_available(book);
        events::added(book)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::SeedableRng as _;

    use super::*;

    fn founded(options: &LibraryOptions, events: u64) -> (Stock, Shelf, Vec<Draft>) {
        let stock = Stock::new(options, events, 50);
        let (mut shelf, mut random) = (Shelf::new(options.zipf), ChaCha8Rng::seed_from_u64(1));
        let history = (0..events).map(|_| stock.next_event(&mut shelf, &mut random)).collect();
        (stock, shelf, history)
    }

    #[test]
    fn a_history_leads_to_a_stocked_library() {
        let (stock, shelf, _) = founded(&LibraryOptions::default(), 30_000);
        assert!(stock.is_met(&shelf));
        assert!(shelf.known_available() > 10_000, "{}", shelf.known_available());
        assert!(shelf.known_readers() > 3_000, "{}", shelf.known_readers());
        assert!(shelf.known_loans() > 1_000, "{}", shelf.known_loans());
    }

    #[test]
    fn there_are_as_many_books_and_readers_as_asked_for() {
        for (books, readers) in [(3_000, 100), (40, 500), (1, 1)] {
            let options = LibraryOptions { books, readers, ..LibraryOptions::default() };
            let (stock, shelf, _) = founded(&options, 20_000);
            assert!(stock.is_met(&shelf), "{books} books");
            assert_eq!((shelf.known_books(), shelf.known_readers()), (books, readers));
        }
    }

    #[test]
    fn a_log_that_is_shorter_than_the_library_still_has_something_for_every_worker() {
        let stock = Stock::new(&LibraryOptions::default(), 0, 300);
        let (mut shelf, mut random) = (Shelf::new(1.0), ChaCha8Rng::seed_from_u64(1));
        let met = (1..20_000).find(|_| {
            stock.next_event(&mut shelf, &mut random);
            stock.is_met(&shelf)
        });
        assert!(met.is_some_and(|events| events > 1_800), "{met:?}");
    }

    #[test]
    fn popular_books_are_lent_most() {
        let options = LibraryOptions { books: 1_000, readers: 500, ..LibraryOptions::default() };
        let (_, _, history) = founded(&options, 20_000);
        let mut lent: BTreeMap<&str, u64> = BTreeMap::new();
        let mut added = Vec::new();
        for event in &history {
            let book = event.payload[events::BOOK].as_str().unwrap_or_default();
            match event.event_type {
                events::ADDED => added.push(book),
                events::LENT => *lent.entry(book).or_default() += 1,
                _ => {}
            }
        }
        let times = |books: &[&str]| books.iter().filter_map(|book| lent.get(book)).sum::<u64>();
        let (first, last) = (times(&added[..100]), times(&added[900..]));
        assert!(first > last * 3 / 2, "{first} loans of the first hundred, {last} of the last");
    }
}
