//! A lending library: the scenario of the ancestor, with its mix.
//!
//! A command reads what it depends on (the book and the reader) on the primary, decides, and appends on the condition
//! that nothing of the kind has been written since. Queries are states folded on a replica, with snapshots: the books that a
//! reader has, and how many books there are.

mod choice;
mod circulation;
mod command;
mod events;
mod opening_hours;
mod options;
mod popularity;
mod shelf;
mod stock;
mod views;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use crate::engine::{Client, EngineError, View};
use crate::scenario::decider::{self, Decided, Decision};
use crate::scenario::freshness::Freshness;
use crate::scenario::{Answer, Mix, Operation, Outcome, Trace};
use choice::Chosen;
use circulation::Circulation;
use command::Desk;
use events::{BOOK, READER};
pub(crate) use opening_hours::OpeningHours;
pub(crate) use options::{Failures, LibraryOptions};
pub(crate) use shelf::Shelf;
pub(crate) use stock::Stock;

/// How often each operation comes, as in the ancestor.
const MIX: &[(Operation, u64)] = &[
    (Operation::LendBook, 200),
    (Operation::ReturnBook, 180),
    (Operation::ReaderLoans, 10),
    (Operation::BooksInCirculation, 1),
    (Operation::ChangeStock, 1),
    (Operation::RegisterReader, 3),
    (Operation::CancelContract, 1),
];

/// The scenario: the log, and a cache of the library's state from which commands are chosen that will mostly have an
/// effect. The cache decides nothing: decisions rest on what the log says.
#[derive(Debug)]
pub(crate) struct Library {
    shelf: Mutex<Shelf>,
    failures: Failures,
    hours: Option<OpeningHours>,
    /// When the first day began.
    opened: Mutex<Instant>,
    /// Which of the sequences that belong to one seed.
    choices: AtomicU64,
    freshness: Freshness,
}

impl Library {
    pub(crate) fn new(shelf: Shelf, options: &LibraryOptions) -> Self {
        Self {
            shelf: Mutex::new(shelf),
            failures: options.failures,
            hours: options.hours,
            opened: Mutex::new(Instant::now()),
            choices: AtomicU64::new(0),
            freshness: Freshness::new(),
        }
    }

    pub(crate) fn mix(options: &LibraryOptions) -> Mix {
        let mix = Mix::new(MIX);
        match options.read_ratio {
            Some(share) => mix.with_queries(share),
            None => mix,
        }
    }

    /// The payload paths that its filters ask for.
    pub(crate) fn indexed_paths() -> [&'static str; 2] {
        [BOOK, READER]
    }

    /// A load begins, and with it the first day. It makes other choices than one before it, or one that found a shorter log: the
    /// ids of new books and readers would be there already.
    pub(crate) fn open(&self, at: Instant, head: u64, loads_before: u64) {
        *self.opened() = at;
        self.choices.store(head ^ loads_before.rotate_right(16), Ordering::Relaxed);
    }

    fn opened(&self) -> MutexGuard<'_, Instant> {
        self.opened.lock().expect("nothing panics with it in hand")
    }

    /// Saves the snapshot of the view that every book's events make, which takes longer than a request may.
    pub(crate) async fn warm_up(&self, client: &mut dyn Client) -> Result<(), EngineError> {
        client.fold_eventually(&views::books_in_circulation()).await.map(drop)
    }

    /// Carries one request out. `choice` seeds its random choices. Safe to drop at any time.
    pub(crate) async fn perform(
        &self,
        client: &mut dyn Client,
        operation: Operation,
        choice: u64,
        trace: &Trace,
    ) -> Outcome {
        match self.answer(client, operation, choice, trace).await {
            Ok(answer) => Outcome::Done(answer),
            Err(error) => Outcome::of_error(&error),
        }
    }

    async fn answer(
        &self,
        client: &mut dyn Client,
        operation: Operation,
        choice: u64,
        trace: &Trace,
    ) -> Result<Answer, EngineError> {
        let mut random = ChaCha8Rng::seed_from_u64(choice);
        random.set_stream(self.choices.load(Ordering::Relaxed));
        let choose: fn(&mut Shelf, &mut ChaCha8Rng) -> Chosen = match operation {
            Operation::LendBook => Shelf::choose_lend,
            Operation::ReturnBook => Shelf::choose_return,
            Operation::ChangeStock => Shelf::choose_change,
            Operation::RegisterReader => Shelf::choose_registration,
            Operation::CancelContract => Shelf::choose_cancellation,
            Operation::ReaderLoans => {
                let reader = self.shelf().any_reader(&mut random);
                let reader = reader.unwrap_or_else(|| events::new_id(&mut random));
                return self.look_up(client, &views::loans_of(reader), trace).await;
            }
            Operation::BooksInCirculation => {
                return self.look_up(client, &views::books_in_circulation(), trace).await;
            }
        };
        let held = Held::choose(self, choose, &mut random);
        self.carry_out(client, held, &mut random, trace).await
    }

    async fn carry_out(
        &self,
        client: &mut dyn Client,
        held: Held<'_>,
        random: &mut ChaCha8Rng,
        trace: &Trace,
    ) -> Result<Answer, EngineError> {
        let command = held.chosen.command;
        let (filter, mut seen) = (command.filter(), Circulation::default());
        let decided = decider::decide(client, &filter, random, trace, |history| {
            seen = command.state(history);
            match (command.decide(seen, self.desk()), self.failures) {
                (Ok(event), _) => Decision::Append(event),
                (Err(refusal), Failures::Events) => Decision::Record(command.failed(refusal)),
                (Err(_), Failures::Refusals) => Decision::Refuse,
            }
        });
        let decided = decided.await?;
        match decided {
            Decided::Appended(position) => {
                self.freshness.acknowledged(position);
                held.settle(Shelf::done);
                Ok(Answer::Effective)
            }
            Decided::Recorded(position) => {
                self.freshness.acknowledged(position);
                held.settle(|shelf, chosen| shelf.not_done(chosen, seen));
                Ok(Answer::FailureRecorded)
            }
            Decided::Refused => {
                held.settle(|shelf, chosen| shelf.not_done(chosen, seen));
                Ok(Answer::Refused)
            }
        }
    }

    async fn look_up(
        &self,
        client: &mut dyn Client,
        view: &View,
        trace: &Trace,
    ) -> Result<Answer, EngineError> {
        let asked_at = Instant::now();
        let viewed = client.fold_eventually(view).await?;
        if let Some(complete_to) = viewed.complete_to {
            trace.stale(self.freshness.staleness(complete_to, asked_at));
        }
        tracing::trace!(view = view.name, state = ?viewed.state, "answered");
        Ok(Answer::Answered)
    }

    fn desk(&self) -> Desk {
        match self.hours {
            Some(hours) if !hours.is_open(self.opened().elapsed()) => Desk::Closed,
            _ => Desk::Open,
        }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().expect("nothing panics with the shelf in hand")
    }
}

/// A command and what it took from the shelf. That goes back as it was when the command fails or is dropped by its
/// time-out; the next command on it reads the log.
struct Held<'a> {
    library: &'a Library,
    chosen: Chosen,
    is_settled: bool,
}

impl<'a> Held<'a> {
    fn choose(
        library: &'a Library,
        choose: fn(&mut Shelf, &mut ChaCha8Rng) -> Chosen,
        random: &mut ChaCha8Rng,
    ) -> Self {
        let chosen = choose(&mut library.shelf(), random);
        Self { library, chosen, is_settled: false }
    }

    /// Notes what came of it.
    fn settle(mut self, note: impl FnOnce(&mut Shelf, Chosen)) {
        self.is_settled = true;
        note(&mut self.library.shelf(), self.chosen);
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if !self.is_settled {
            self.library.shelf().given_up(self.chosen);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use async_trait::async_trait;
    use testutil::checker::{Filter, LogEvent};
    use uuid::Uuid;

    use super::*;
    use crate::engine::{After, Append, Appended, Found, Part};

    /// A log in memory that nobody else writes to.
    #[derive(Default)]
    struct InMemory {
        log: Vec<LogEvent>,
    }

    #[async_trait]
    impl Client for InMemory {
        async fn append(&mut self, append: Append) -> Result<Appended, EngineError> {
            let first = self.log.len() as u64 + 1;
            for (event, position) in append.events.into_iter().zip(first..) {
                self.log.push(LogEvent::new(position, event.event_type, event.payload, event.metadata));
            }
            Ok(Appended::At(first))
        }

        async fn query_part(&mut self, filter: &Filter, _: Part) -> Result<Found, EngineError> {
            let matches = |event: &&LogEvent| filter.matches(&event.event_type, &event.payload);
            let events = self.log.iter().filter(matches).cloned().collect();
            Ok(Found { events, after: After::default() })
        }
    }

    /// A log with one book, which somebody has, and one reader who asks for it: believed to be on the shelf.
    fn lent_book() -> (InMemory, Shelf) {
        let [book, ann, bob] = [1, 2, 3].map(Uuid::from_u128);
        let drafts = [events::added(book), events::registered(ann), events::lent(book, bob)];
        let log = drafts.into_iter().zip(1..).map(|(event, position)| {
            LogEvent::new(position, event.event_type, event.payload, event.metadata)
        });
        let mut shelf = Shelf::new(1.0);
        shelf.put_available(book);
        shelf.put_reader(ann);
        (InMemory { log: log.collect() }, shelf)
    }

    async fn asked(library: &Library, client: &mut InMemory, operation: Operation) -> Answer {
        library.answer(client, operation, 1, &Trace::default()).await.unwrap()
    }

    #[tokio::test]
    async fn a_refused_command_writes_nothing_unless_failures_are_events() {
        for (failures, answer, written) in
            [(Failures::Refusals, Answer::Refused, 0), (Failures::Events, Answer::FailureRecorded, 1)]
        {
            let (mut client, shelf) = lent_book();
            let options = LibraryOptions { failures, ..LibraryOptions::default() };
            let library = Library::new(shelf, &options);
            assert_eq!(asked(&library, &mut client, Operation::LendBook).await, answer);
            let failures = client.log.iter().skip(3).map(|event| event.event_type.as_str());
            assert_eq!(failures.collect::<Vec<_>>(), vec!["LendingBookToReaderFailed"; written]);
            // What was seen is known from now on.
            assert_eq!(asked(&library, &mut client, Operation::ReturnBook).await, Answer::Effective);
            assert_eq!(asked(&library, &mut client, Operation::LendBook).await, Answer::Effective);
        }
    }

    #[tokio::test]
    async fn a_closed_library_lends_nothing() {
        let (mut client, shelf) = lent_book();
        let hours: OpeningHours = "8-9/24s".parse().unwrap();
        let options = LibraryOptions { hours: Some(hours), ..LibraryOptions::default() };
        let library = Library::new(shelf, &options);
        assert_eq!(library.desk(), Desk::Open);
        library.open(Instant::now() - std::time::Duration::from_secs(2), 0, 0);
        for operation in [Operation::LendBook, Operation::RegisterReader, Operation::ChangeStock] {
            assert_eq!(asked(&library, &mut client, operation).await, Answer::Refused, "{operation:?}");
        }
        assert_eq!(asked(&library, &mut client, Operation::ReturnBook).await, Answer::Effective);
        assert_eq!(asked(&library, &mut client, Operation::ReaderLoans).await, Answer::Answered);
    }

    #[test]
    fn queries_take_the_share_that_is_asked_for() {
        for (read_ratio, expected) in [(None, 278), (Some(0.5), 5_000), (Some(0.0), 0), (Some(1.0), 10_000)] {
            let mix = Library::mix(&LibraryOptions { read_ratio, ..LibraryOptions::default() });
            let mut random = ChaCha8Rng::seed_from_u64(1);
            let mut drawn: BTreeMap<Operation, u64> = BTreeMap::new();
            for _ in 0..10_000 {
                *drawn.entry(mix.draw(&mut random)).or_default() += 1;
            }
            let of = |operation: Operation| drawn.get(&operation).copied().unwrap_or_default();
            let queries = of(Operation::ReaderLoans) + of(Operation::BooksInCirculation);
            assert!(queries.abs_diff(expected) < 200, "{read_ratio:?}: {queries}");
            assert!(of(Operation::ReaderLoans) >= of(Operation::BooksInCirculation) * 5);
            assert!(of(Operation::LendBook) >= of(Operation::ReturnBook));
            assert!(of(Operation::ReturnBook) >= of(Operation::RegisterReader) * 20);
        }
    }
}
