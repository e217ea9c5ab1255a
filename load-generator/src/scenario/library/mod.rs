//! A lending library: the scenario of the ancestor, with its mix.
//!
//! A command reads what it depends on (the book and the reader) on the primary, decides, and appends on the condition
//! that nothing of the kind has been written since. The query reads a reader's loans on a replica.

mod circulation;
mod events;
mod shelf;

use std::sync::Mutex;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use testutil::checker::Filter;
use uuid::Uuid;

use crate::engine::{Client, Draft, EngineError};
use crate::scenario::decider::{self, Decided};
use crate::scenario::{Mix, Operation, Outcome, Trace};
use circulation::Circulation;
use events::{BOOK, READER, TYPES};
pub(crate) use shelf::Shelf;

/// How many books a reader may have.
const MOST_LOANS: u32 = 10;

/// How often each operation comes, as in the ancestor.
const MIX: &[(Operation, u32)] = &[
    (Operation::LendBook, 200),
    (Operation::ReturnBook, 180),
    (Operation::ReaderLoans, 10),
    (Operation::ChangeStock, 1),
    (Operation::RegisterReader, 3),
    (Operation::CancelContract, 1),
];

/// The scenario: the log, and a cache of the library's state from which commands are chosen that will mostly have an
/// effect. The cache decides nothing: decisions rest on what the log says.
#[derive(Debug)]
pub(crate) struct Library {
    shelf: Mutex<Shelf>,
}

impl Library {
    pub(crate) fn new(shelf: Shelf) -> Self {
        Self { shelf: Mutex::new(shelf) }
    }

    pub(crate) fn mix() -> Mix {
        Mix::new(MIX)
    }

    /// The payload paths that its filters ask for.
    pub(crate) fn indexed_paths() -> [&'static str; 2] {
        [BOOK, READER]
    }

    /// Carries one request out. `choice` seeds its random choices. Safe to drop at any time.
    pub(crate) async fn perform(
        &self,
        client: &mut dyn Client,
        operation: Operation,
        choice: u64,
        trace: &Trace,
    ) -> Outcome {
        let mut random = ChaCha8Rng::seed_from_u64(choice);
        let result = match operation {
            Operation::LendBook => self.lend(client, &mut random, trace).await,
            Operation::ReturnBook => self.bring_back(client, &mut random, trace).await,
            Operation::ReaderLoans => self.reader_loans(client, &mut random).await,
            Operation::ChangeStock => self.change_stock(client, &mut random, trace).await,
            Operation::RegisterReader => self.register(client, &mut random, trace).await,
            Operation::CancelContract => self.cancel(client, &mut random, trace).await,
        };
        match result {
            Ok(decided) => Outcome::Done { operation, effective: decided == Decided::Appended },
            Err(error) => Outcome::of_error(&error),
        }
    }

    async fn lend(
        &self,
        client: &mut dyn Client,
        random: &mut ChaCha8Rng,
        trace: &Trace,
    ) -> Result<Decided, EngineError> {
        let reader =
            self.shelf().reader_with_room(random, MOST_LOANS).unwrap_or_else(|| events::new_id(random));
        let held = Held::take(self, |shelf| shelf.take_available(random), Shelf::put_available);
        // Nothing on the shelf: the request is made all the same, for a book that nobody knows.
        let book = held.as_ref().map_or_else(|| events::new_id(random), |held| held.thing);
        let mut seen = Circulation::default();
        let decided = decide((book, reader), client, random, trace, |history| {
            seen = history;
            let possible = history.in_circulation
                && history.lent_to.is_none()
                && history.registered
                && history.loans < MOST_LOANS;
            possible.then(|| events::lent(book, reader))
        });
        let decided = decided.await?;
        if let Some(held) = held {
            match decided {
                Decided::Appended => held.became(|shelf| shelf.put_loan(book, reader)),
                Decided::Nothing => held.became(|shelf| shelf.put_as_seen(book, seen)),
            }
        }
        Ok(decided)
    }

    async fn bring_back(
        &self,
        client: &mut dyn Client,
        random: &mut ChaCha8Rng,
        trace: &Trace,
    ) -> Result<Decided, EngineError> {
        let held = Held::take(self, |shelf| shelf.take_loan(random), Shelf::put_loan_back);
        let nobodys = (events::new_id(random), events::new_id(random));
        let (book, reader) = held.as_ref().map_or(nobodys, |held| held.thing);
        let mut seen = Circulation::default();
        let decided = decide((book, reader), client, random, trace, |history| {
            seen = history;
            (history.lent_to == Some(reader)).then(|| events::returned(book, reader))
        });
        let decided = decided.await?;
        if let Some(held) = held {
            match decided {
                Decided::Appended => held.became(|shelf| shelf.end_loan(book, reader)),
                Decided::Nothing => held.became(|shelf| {
                    shelf.forget_loan(reader);
                    shelf.put_as_seen(book, seen);
                }),
            }
        }
        Ok(decided)
    }

    async fn reader_loans(
        &self,
        client: &mut dyn Client,
        random: &mut ChaCha8Rng,
    ) -> Result<Decided, EngineError> {
        let reader = self.shelf().any_reader(random).unwrap_or_else(|| events::new_id(random));
        let loans = Filter::types(events::LOAN_TYPES).and_all([(READER, of(reader))]);
        client.query_eventually(&loans).await?;
        Ok(Decided::Nothing)
    }

    /// Adds a book, or removes one that is not lent.
    async fn change_stock(
        &self,
        client: &mut dyn Client,
        random: &mut ChaCha8Rng,
        trace: &Trace,
    ) -> Result<Decided, EngineError> {
        if random.random() {
            let book = events::new_id(random);
            let decide = |history: Circulation| (!history.in_circulation).then(|| events::added(book));
            let decided = decide_on((BOOK, book), client, random, trace, decide).await?;
            // The same seed on the same log: it is there already.
            if decided == Decided::Appended {
                self.shelf().put_available(book);
            }
            return Ok(decided);
        }
        let held = Held::take(self, |shelf| shelf.take_available(random), Shelf::put_available);
        let book = held.as_ref().map_or_else(|| events::new_id(random), |held| held.thing);
        let mut seen = Circulation::default();
        let decided = decide_on((BOOK, book), client, random, trace, |history| {
            seen = history;
            (history.in_circulation && history.lent_to.is_none()).then(|| events::removed(book))
        });
        let decided = decided.await?;
        if let Some(held) = held {
            match decided {
                Decided::Appended => held.became(|_| {}),
                Decided::Nothing => held.became(|shelf| shelf.put_as_seen(book, seen)),
            }
        }
        Ok(decided)
    }

    async fn register(
        &self,
        client: &mut dyn Client,
        random: &mut ChaCha8Rng,
        trace: &Trace,
    ) -> Result<Decided, EngineError> {
        let reader = events::new_id(random);
        let decided = decide_on((READER, reader), client, random, trace, |history: Circulation| {
            (!history.registered).then(|| events::registered(reader))
        });
        let decided = decided.await?;
        if decided == Decided::Appended {
            self.shelf().put_reader(reader);
        }
        Ok(decided)
    }

    /// Ends the contract of a reader who has no books.
    async fn cancel(
        &self,
        client: &mut dyn Client,
        random: &mut ChaCha8Rng,
        trace: &Trace,
    ) -> Result<Decided, EngineError> {
        let held = Held::take(self, |shelf| shelf.take_reader_without_loans(random), Shelf::put_reader);
        let reader = held.as_ref().map_or_else(|| events::new_id(random), |held| held.thing);
        let mut seen = Circulation::default();
        let decided = decide_on((READER, reader), client, random, trace, |history| {
            seen = history;
            (history.registered && history.loans == 0).then(|| events::canceled(reader))
        });
        let decided = decided.await?;
        // A reader whose contract has ended, now or before, does not come back.
        if let Some(held) = held.filter(|_| decided == Decided::Appended || !seen.registered) {
            held.became(|_| {});
        }
        Ok(decided)
    }

    fn shelf(&self) -> std::sync::MutexGuard<'_, Shelf> {
        self.shelf.lock().expect("nothing panics with the shelf in hand")
    }
}

/// Decides on what concerns a book or a reader.
async fn decide(
    (book, reader): (Uuid, Uuid),
    client: &mut dyn Client,
    random: &mut ChaCha8Rng,
    trace: &Trace,
    mut decide: impl FnMut(Circulation) -> Option<Draft>,
) -> Result<Decided, EngineError> {
    let filter = Filter::types(TYPES).and_any([(BOOK, of(book)), (READER, of(reader))]);
    decider::decide(client, &filter, random, trace, |history| {
        decide(Circulation::fold(history, Some(book), Some(reader)))
    })
    .await
}

/// Decides on what concerns one of them.
async fn decide_on(
    (path, id): (&'static str, Uuid),
    client: &mut dyn Client,
    random: &mut ChaCha8Rng,
    trace: &Trace,
    mut decide: impl FnMut(Circulation) -> Option<Draft>,
) -> Result<Decided, EngineError> {
    let filter = Filter::types(TYPES).and_all([(path, of(id))]);
    let (book, reader) = if path == BOOK { (Some(id), None) } else { (None, Some(id)) };
    decider::decide(client, &filter, random, trace, |history| {
        decide(Circulation::fold(history, book, reader))
    })
    .await
}

fn of(id: Uuid) -> Value {
    json!(id)
}

/// What a command works on, taken from the shelf meanwhile. It goes back as it was, also when the command fails or is
/// dropped by its time-out, unless the command made something else of it. The next command on it reads the log.
struct Held<'a, T: Copy> {
    library: &'a Library,
    thing: T,
    put_back: Option<fn(&mut Shelf, T)>,
}

impl<'a, T: Copy> Held<'a, T> {
    fn take(
        library: &'a Library,
        take: impl FnOnce(&mut Shelf) -> Option<T>,
        put_back: fn(&mut Shelf, T),
    ) -> Option<Self> {
        let thing = take(&mut library.shelf())?;
        Some(Self { library, thing, put_back: Some(put_back) })
    }

    fn became(mut self, note: impl FnOnce(&mut Shelf)) {
        self.put_back = None;
        note(&mut self.library.shelf());
    }
}

impl<T: Copy> Drop for Held<'_, T> {
    fn drop(&mut self) {
        if let Some(put_back) = self.put_back {
            put_back(&mut self.library.shelf(), self.thing);
        }
    }
}
