//! What the load generator believes of the library, to choose commands by.

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng;
use testutil::checker::LogEvent;
use uuid::Uuid;

use super::MOST_LOANS;
use super::circulation::Circulation;
use super::events::{self, ADDED, BOOK, CANCELED, LENT, READER, REGISTERED, REMOVED, RETURNED};
use crate::engine::Draft;

/// Of the events that a library begins with, up to two thirds add books and a fourth as many register readers; the rest
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
    pub(crate) fn apply(&mut self, event: &LogEvent) {
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

    /// The next event of a valid history, on the way to a log of `total` events in which every worker finds something
    /// to do.
    pub(crate) fn next_event(&mut self, total: u64, workers: usize, random: &mut impl Rng) -> Draft {
        let books = (total * 2 / 3).clamp(FEWEST_BOOKS, MOST_BOOKS).max(needed(workers) * 4);
        let known = (self.available.len() + self.loans.len()) as u64;
        if (self.readers.len() as u64) < (books / BOOKS_PER_READER).min(1 + known / BOOKS_PER_READER) {
            let reader = events::new_id(random);
            self.put_reader(reader);
            return events::registered(reader);
        }
        // Loans early, so that a short history has some too.
        let loans = self.loans.len() as u64;
        let lend =
            if loans * 4 < known { random.random() } else { loans * 2 < known && random.random_ratio(1, 8) };
        if lend
            && let Some(reader) = self.reader_with_room(random, MOST_LOANS)
            && let Some(book) = self.take_available(random)
        {
            self.put_loan(book, reader);
            return events::lent(book, reader);
        }
        if known >= books
            && let Some((book, reader)) = self.take_loan(random)
        {
            self.end_loan(book, reader);
            return events::returned(book, reader);
        }
        let book = events::new_id(random);
        self.put_available(book);
        events::added(book)
    }

    /// Whether commands of so many workers at once can have an effect.
    pub(crate) fn is_stocked(&self, workers: usize) -> bool {
        let least = self.available.len().min(self.loans.len()).min(self.readers.len());
        least as u64 >= needed(workers)
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
        self.forget_loan(reader);
        self.available.push(book);
    }

    /// A loan that is over, as the log says.
    pub(super) fn forget_loan(&mut self, reader: Uuid) {
        if let Some(loans) = self.loans_of.get_mut(&reader) {
            *loans = loans.saturating_sub(1);
        }
    }

    /// Puts a book where the log says that it is: an append that timed out may have been written all the same.
    pub(super) fn put_as_seen(&mut self, book: Uuid, seen: Circulation) {
        match (seen.in_circulation, seen.lent_to) {
            (true, Some(reader)) => self.put_loan(book, reader),
            (true, None) => self.put_available(book),
            (false, _) => {}
        }
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

/// How many free books, loans and readers there must be for so many workers: each takes one out, and mostly finds
/// another one than its neighbours.
fn needed(workers: usize) -> u64 {
    (workers as u64 * 2).max(FEWEST_BOOKS / 8)
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
            shelf.next_event(30_000, 50, &mut random);
        }
        assert!(shelf.is_stocked(50));
        assert!(shelf.available.len() > 10_000, "{}", shelf.available.len());
        assert!(shelf.readers.len() > 3_000, "{}", shelf.readers.len());
        assert!(shelf.loans.len() > 1_000, "{}", shelf.loans.len());
        assert!(shelf.loans_of.values().all(|loans| *loans <= MOST_LOANS));
    }
}
