//! What the load generator believes of the library, to choose commands by.

use std::collections::HashMap;

use rand::Rng;
use testutil::checker::LogEvent;
use uuid::Uuid;

use super::circulation::Circulation;
use super::command::MOST_LOANS;
use super::events::{self, ADDED, BOOK, CANCELED, LENT, READER, REGISTERED, REMOVED, RETURNED};
use super::popularity::Ranking;

/// How many draws there are for something that will do, before any other is taken.
const DRAWS: u32 = 20;

/// Books by popularity, readers, and who has what. A book that a command works on is taken in hand meanwhile, so that
/// two commands seldom want the same one.
///
/// Every change can be made twice: what it knows comes from several workers, in no particular order.
#[derive(Debug)]
pub(crate) struct Shelf {
    /// The exponent of popularity.
    zipf: f64,
    /// In circulation, wherever they are.
    books: Ranking,
    readers: Ranking,
    /// Books that can be lent, and those that are. One in hand is in neither.
    available: Ranking,
    lent: Ranking,
    borrowers: HashMap<Uuid, Uuid>,
    /// How many books readers have, those that are just being asked for included.
    loans_of: HashMap<Uuid, u32>,
}

impl Shelf {
    /// An empty one; `zipf` is the exponent of popularity.
    pub(crate) fn new(zipf: f64) -> Self {
        Self {
            zipf,
            books: Ranking::default(),
            readers: Ranking::default(),
            available: Ranking::default(),
            lent: Ranking::default(),
            borrowers: HashMap::new(),
            loans_of: HashMap::new(),
        }
    }

    /// Notes an event of a log that is read.
    pub(crate) fn apply(&mut self, event: &LogEvent) {
        let (book, reader) = (events::id(&event.payload, BOOK), events::id(&event.payload, READER));
        match (event.event_type.as_str(), book, reader) {
            (ADDED | RETURNED, Some(book), _) => self.put_available(book),
            (REMOVED, Some(book), _) => self.remove_book(book),
            (LENT, Some(book), Some(reader)) => self.put_lent(book, reader),
            (REGISTERED, _, Some(reader)) => self.put_reader(reader),
            (CANCELED, _, Some(reader)) => self.remove_reader(reader),
            _ => {}
        }
    }

    /// Keeps one of `of` parts: before the run, where several load generators share a log. A reader belongs to the part that
    /// the id modulo `of` says, with all loans; a book that is not lent, in the same way. Nobody is in two parts.
    pub(crate) fn keep_part(&mut self, part: u64, of: u64) {
        let is_own = |id: Uuid| id.as_u128() % u128::from(of.max(1)) == u128::from(part);
        let mut own = Self::new(self.zipf);
        self.readers.iter().filter(|reader| is_own(*reader)).for_each(|reader| own.put_reader(reader));
        for book in self.books.iter() {
            match self.borrowers.get(&book) {
                Some(reader) if is_own(*reader) => own.put_lent(book, *reader),
                None if is_own(book) => own.put_available(book),
                _ => {}
            }
        }
        *self = own;
    }

    pub(super) fn known_books(&self) -> u64 {
        self.books.len() as u64
    }

    pub(super) fn known_available(&self) -> u64 {
        self.available.len() as u64
    }

    pub(super) fn known_loans(&self) -> u64 {
        self.lent.len() as u64
    }

    pub(super) fn known_readers(&self) -> u64 {
        self.readers.len() as u64
    }

    /// Takes a book in hand that can be lent: the popular one that is drawn first, or else any. Whoever finds a book lent takes
    /// another from the shelf, popular or not: if all took the next popular one, the histories of the popular would grow with
    /// all that is lent.
    pub(super) fn take_available(&mut self, random: &mut impl Rng) -> Option<Uuid> {
        let popular = self.books.draw_popular(self.zipf, random).filter(|book| self.available.contains(book));
        let book = popular.or_else(|| self.available.draw(random))?;
        self.available.remove(&book);
        Some(book)
    }

    /// Takes any book in hand that can be lent.
    pub(super) fn take_any_available(&mut self, random: &mut impl Rng) -> Option<Uuid> {
        let book = self.available.draw(random)?;
        self.available.remove(&book);
        Some(book)
    }

    /// Takes this book in hand, if it can be lent.
    pub(super) fn take_book(&mut self, book: Uuid) -> bool {
        self.available.remove(&book)
    }

    /// Takes a book in hand that is lent; with who has it.
    pub(super) fn take_loan(&mut self, random: &mut impl Rng) -> Option<(Uuid, Uuid)> {
        let book = self.lent.draw(random)?;
        let reader = *self.borrowers.get(&book)?;
        self.lent.remove(&book);
        Some((book, reader))
    }

    /// Puts a book that was in hand where it was.
    pub(super) fn put_back(&mut self, book: Uuid) {
        if self.borrowers.contains_key(&book) {
            self.lent.insert(book);
        } else if self.books.contains(&book) {
            self.available.insert(book);
        }
    }

    pub(super) fn put_available(&mut self, book: Uuid) {
        self.forget_loan(book);
        self.books.insert(book);
        self.available.insert(book);
    }

    pub(super) fn put_lent(&mut self, book: Uuid, reader: Uuid) {
        self.books.insert(book);
        self.available.remove(&book);
        self.lent.insert(book);
        let before = self.borrowers.insert(book, reader);
        if before != Some(reader) {
            self.one_more(reader);
            if let Some(before) = before {
                self.one_less(before);
            }
        }
    }

    pub(super) fn remove_book(&mut self, book: Uuid) {
        self.forget_loan(book);
        self.available.remove(&book);
        self.books.remove(&book);
    }

    /// Puts a book where the log says that it is: an append that timed out may have been written all the same.
    pub(super) fn put_as_seen(&mut self, book: Uuid, seen: Circulation) {
        match (seen.in_circulation, seen.lent_to) {
            (true, Some(reader)) => self.put_lent(book, reader),
            (true, None) => self.put_available(book),
            (false, _) => self.remove_book(book),
        }
    }

    pub(super) fn put_reader(&mut self, reader: Uuid) {
        self.readers.insert(reader);
    }

    pub(super) fn remove_reader(&mut self, reader: Uuid) {
        self.readers.remove(&reader);
    }

    pub(super) fn popular_book(&self, random: &mut impl Rng) -> Option<Uuid> {
        self.books.draw_popular(self.zipf, random)
    }

    /// Readers are alike: a book can only be lent so often, but a reader who borrows again and again has a history that
    /// grows without a bound.
    pub(super) fn any_reader(&self, random: &mut impl Rng) -> Option<Uuid> {
        self.readers.draw(random)
    }

    /// One who may have another book.
    pub(super) fn reader_with_room(&self, random: &mut impl Rng) -> Option<Uuid> {
        let has_room = |reader: &Uuid| self.loans_of(reader) < MOST_LOANS;
        (0..DRAWS).find_map(|_| self.any_reader(random).filter(has_room))
    }

    pub(super) fn reader_without_loans(&self, random: &mut impl Rng) -> Option<Uuid> {
        (0..DRAWS).find_map(|_| self.readers.draw(random).filter(|reader| self.loans_of(reader) == 0))
    }

    /// A reader has one more book, or is about to.
    pub(super) fn one_more(&mut self, reader: Uuid) {
        *self.loans_of.entry(reader).or_default() += 1;
    }

    pub(super) fn one_less(&mut self, reader: Uuid) {
        let Some(loans) = self.loans_of.get_mut(&reader) else { return };
        *loans = loans.saturating_sub(1);
        if *loans == 0 {
            self.loans_of.remove(&reader);
        }
    }

    fn forget_loan(&mut self, book: Uuid) {
        self.lent.remove(&book);
        if let Some(reader) = self.borrowers.remove(&book) {
            self.one_less(reader);
        }
    }

    fn loans_of(&self, reader: &Uuid) -> u32 {
        self.loans_of.get(reader).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::scenario::library::{LibraryOptions, Stock};

    fn founded(seed: u64) -> Shelf {
        let (mut shelf, mut random) = (Shelf::new(1.0), ChaCha8Rng::seed_from_u64(seed));
        let stock = Stock::new(&LibraryOptions::default(), 5_000, 10);
        (0..5_000).for_each(|_| drop(stock.next_event(&mut shelf, &mut random)));
        shelf
    }

    #[test]
    fn parts_have_everything_once() {
        let whole = founded(1);
        let loans_of =
            |shelf: &Shelf, reader: Uuid| shelf.borrowers.values().filter(|other| **other == reader).count();
        let (mut books, mut readers, mut loans) = (BTreeSet::new(), BTreeSet::new(), 0);
        for part in 0..3 {
            let mut own = founded(1);
            own.keep_part(part, 3);
            assert!(own.known_loans() > 50 && own.known_available() > 500 && own.known_readers() > 200);
            assert!(own.books.iter().all(|book| books.insert(book)), "no book is in two parts");
            for reader in own.readers.iter() {
                assert!(readers.insert(reader), "no reader is in two parts");
                assert_eq!(loans_of(&own, reader), loans_of(&whole, reader));
            }
            loans += own.known_loans();
        }
        assert_eq!((books.len() as u64, readers.len() as u64), (whole.known_books(), whole.known_readers()));
        assert_eq!(loans, whole.known_loans());
    }

    #[test]
    fn what_is_noted_twice_counts_once() {
        let [book, ann, bob] = [1, 2, 3].map(Uuid::from_u128);
        let mut shelf = Shelf::new(1.0);
        (0..2).for_each(|_| shelf.put_available(book));
        (0..2).for_each(|_| shelf.put_lent(book, ann));
        assert_eq!((shelf.known_books(), shelf.known_available(), shelf.known_loans()), (1, 0, 1));
        assert_eq!(shelf.loans_of(&ann), 1);
        // It was brought back and lent again without our knowledge.
        shelf.put_lent(book, bob);
        assert_eq!((shelf.loans_of(&ann), shelf.loans_of(&bob)), (0, 1));
        (0..2).for_each(|_| shelf.put_available(book));
        assert_eq!((shelf.known_available(), shelf.known_loans(), shelf.loans_of(&bob)), (1, 0, 0));
    }

    #[test]
    fn a_reader_with_as_many_books_as_allowed_is_not_drawn() {
        let (ann, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let (mut shelf, mut random) = (Shelf::new(2.0), ChaCha8Rng::seed_from_u64(1));
        shelf.put_reader(ann);
        shelf.put_reader(bob);
        (0..MOST_LOANS).for_each(|book| shelf.put_lent(Uuid::from_u128(u128::from(book) + 100), ann));
        assert!((0..50).all(|_| shelf.reader_with_room(&mut random) == Some(bob)));
    }
}
