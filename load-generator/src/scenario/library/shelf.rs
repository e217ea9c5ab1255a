//! What the load generator believes of the library, to choose commands by.

use std::collections::{BTreeMap, BTreeSet};

use eventstore::{NewEvent, RecordedEvent};
use rand::Rng;
use uuid::Uuid;

use super::MOST_LOANS;
use super::events::{self, ADDED, BOOK, CANCELED, LENT, READER, REGISTERED, REMOVED, RETURNED};

/// Of the events that a library begins with, this share adds books and a fourth of it registers readers; the rest
/// are loans and returns. The ancestor has 60,000 books and 15,000 readers.
const MOST_BOOKS: u64 = 60_000;
const BOOKS_PER_READER: u64 = 4;
/// Below this, commands could not have an effect.
const FEWEST_BOOKS: u64 = 400;

/// Books that can be lent, loans, and readers. A book or loan that a command works on is taken out meanwhile, so that
/// two commands seldom want the same one.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    available: Vec<Uuid>,
    loans: Vec<(Uuid, Uuid)>,
    readers: Vec<Uuid>,
    loans_of: BTreeMap<Uuid, u32>,
}

/// Reads a log that is there already.
#[derive(Debug, Default)]
pub(crate) struct ShelfReader {
    books: BTreeMap<Uuid, Option<Uuid>>,
    readers: BTreeSet<Uuid>,
}

impl ShelfReader {
    pub(crate) fn apply(&mut self, event: &RecordedEvent) {
        let (book, reader) = (events::id(event, BOOK), events::id(event, READER));
        match (event.event_type.as_str(), book, reader) {
            (ADDED | RETURNED, Some(book), _) => drop(self.books.insert(book, None)),
            (REMOVED, Some(book), _) => drop(self.books.remove(&book)),
            (LENT, Some(book), Some(reader)) => drop(self.books.insert(book, Some(reader))),
            (REGISTERED, _, Some(reader)) => drop(self.readers.insert(reader)),
            (CANCELED, _, Some(reader)) => drop(self.readers.remove(&reader)),
            _ => {}
        }
    }

    pub(crate) fn into_shelf(self) -> Shelf {
        let mut shelf = Shelf { readers: self.readers.into_iter().collect(), ..Shelf::default() };
        for (book, lent_to) in self.books {
            match lent_to {
                Some(reader) => shelf.put_loan(book, reader),
                None => shelf.put_available(book),
            }
        }
        shelf
    }
}

impl Shelf {
    /// A reader of what is there.
    pub(crate) fn reader() -> ShelfReader {
        ShelfReader::default()
    }

    /// The next event of a valid history, on the way to a log of `total` events.
    pub(crate) fn next_event(&mut self, total: u64, random: &mut impl Rng) -> NewEvent {
        let books = (total * 2 / 3).clamp(FEWEST_BOOKS, MOST_BOOKS);
        let known = (self.available.len() + self.loans.len()) as u64;
        if (self.readers.len() as u64) < (books / BOOKS_PER_READER).min(1 + known / BOOKS_PER_READER) {
            let reader = Uuid::new_v4();
            self.put_reader(reader);
            return events::registered(reader);
        }
        if known < books {
            let book = Uuid::new_v4();
            self.put_available(book);
            return events::added(book);
        }
        // Every other book is out on loan in the long run.
        if self.loans.len() as u64 * 2 < known
            && random.random_ratio(11, 20)
            && let Some(reader) = self.reader_with_room(random, MOST_LOANS)
            && let Some(book) = self.take_available(random)
        {
            self.put_loan(book, reader);
            return events::lent(book, reader);
        }
        match self.take_loan(random) {
            Some((book, reader)) => {
                self.end_loan(book, reader);
                events::returned(book, reader)
            }
            None => {
                let book = Uuid::new_v4();
                self.put_available(book);
                events::added(book)
            }
        }
    }

    /// Whether there is enough for commands to have an effect.
    pub(crate) fn is_stocked(&self) -> bool {
        (self.available.len() + self.loans.len()) as u64 >= FEWEST_BOOKS && !self.readers.is_empty()
    }

    pub(super) fn take_available(&mut self, random: &mut impl Rng) -> Option<Uuid> {
        take(&mut self.available, random)
    }

    pub(super) fn put_available(&mut self, book: Uuid) {
        self.available.push(book);
    }

    pub(super) fn take_loan(&mut self, random: &mut impl Rng) -> Option<(Uuid, Uuid)> {
        take(&mut self.loans, random)
    }

    pub(super) fn put_loan(&mut self, book: Uuid, reader: Uuid) {
        *self.loans_of.entry(reader).or_default() += 1;
        self.loans.push((book, reader));
    }

    /// After a return that did not come about.
    pub(super) fn put_loan_back(&mut self, loan: (Uuid, Uuid)) {
        self.loans.push(loan);
    }

    pub(super) fn end_loan(&mut self, book: Uuid, reader: Uuid) {
        if let Some(loans) = self.loans_of.get_mut(&reader) {
            *loans = loans.saturating_sub(1);
        }
        self.available.push(book);
    }

    pub(super) fn put_reader(&mut self, reader: Uuid) {
        self.readers.push(reader);
    }

    pub(super) fn any_reader(&self, random: &mut impl Rng) -> Option<Uuid> {
        (!self.readers.is_empty()).then(|| self.readers[random.random_range(0..self.readers.len())])
    }

    pub(super) fn reader_with_room(&self, random: &mut impl Rng, most: u32) -> Option<Uuid> {
        // A few draws find one, unless nearly everybody has as many books as allowed.
        (0..20).find_map(|_| self.any_reader(random).filter(|reader| self.loans_of(reader) < most))
    }

    pub(super) fn take_reader_without_loans(&mut self, random: &mut impl Rng) -> Option<Uuid> {
        for _ in 0..20 {
            if self.readers.is_empty() {
                return None;
            }
            let nth = random.random_range(0..self.readers.len());
            if self.loans_of(&self.readers[nth]) == 0 {
                return Some(self.readers.swap_remove(nth));
            }
        }
        None
    }

    fn loans_of(&self, reader: &Uuid) -> u32 {
        self.loans_of.get(reader).copied().unwrap_or_default()
    }
}

fn take<T>(all: &mut Vec<T>, random: &mut impl Rng) -> Option<T> {
    (!all.is_empty()).then(|| all.swap_remove(random.random_range(0..all.len())))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn a_history_leads_to_a_stocked_library() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut shelf = Shelf::default();
        for _ in 0..30_000 {
            shelf.next_event(30_000, &mut random);
        }
        assert!(shelf.is_stocked());
        assert!(shelf.available.len() > 15_000, "{}", shelf.available.len());
        assert!(shelf.readers.len() > 4_000, "{}", shelf.readers.len());
        assert!(!shelf.loans.is_empty());
        assert!(shelf.loans_of.values().all(|loans| *loans <= MOST_LOANS));
    }
}
