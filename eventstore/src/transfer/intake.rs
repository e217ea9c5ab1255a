//! Events on their way into the log: chunks in their order, two of them under way.
//!
//! *Owner.* The intake collects events into a chunk, and owns the calls that are under way; each of them owns its chunk, and gives
//! it back with the answer. Answers are taken in the order of the chunks.
//!
//! *Order.* Each chunk follows the last event of the one before ([`Bulk`](crate::append::Bulk)): if that one is not written,
//! this one is not either, and is sent again when its turn comes.
//!
//! *Failures.* A chunk that the log refuses is halved until what is refused is one event, so that this one can be named and all
//! before it are there: of an import that was broken off some events are in the log, others not. With the first event that
//! can not be imported the intake ends; what is under way then follows something that will never be there.

use std::collections::HashSet;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesOrdered, StreamExt as _};

use crate::append::Placed;
use crate::error::{Error, ErrorKind};
use crate::event::{CheckedEvent, EventId, NewEvent, check_event};
use crate::store::EventStore;
use crate::transfer::{Imported, OnProgress, TransferProgress};

/// How many bytes of JSON one chunk has, at most, but for its last event.
const CHUNK_BYTES: usize = 2 << 20;
/// While one is written, the next one is received and parsed; a third would only wait.
const UNDER_WAY: usize = 2;

/// Takes events one by one, in their order.
pub(super) struct Intake {
    store: EventStore,
    on_progress: Option<OnProgress>,
    unit: &'static str,
    imported: Imported,
    chunk: Chunk,
    /// Of the events in the chunk.
    ids: HashSet<EventId>,
    under_way: FuturesOrdered<BoxFuture<'static, Answered>>,
}

/// Consecutive events with different ids, each with its number in the import.
#[derive(Default)]
struct Chunk {
    numbers: Vec<u64>,
    events: Vec<CheckedEvent>,
    bytes: usize,
    /// The last event of the chunk before.
    follows: Option<EventId>,
}

/// A chunk that came back, and what became of it.
type Answered = (Chunk, Result<Placed, Error>);

impl Intake {
    /// `unit` is what errors number.
    pub(super) fn new(store: EventStore, on_progress: Option<OnProgress>, unit: &'static str) -> Self {
        let (imported, under_way) = (Imported::default(), FuturesOrdered::new());
        let (chunk, ids) = (Chunk::default(), HashSet::new());
        Self { store, on_progress, unit, imported, chunk, ids, under_way }
    }

    /// Takes the next event. An error may be that of an event before it.
    pub(super) async fn add(&mut self, number: u64, event: NewEvent) -> Result<(), Error> {
        let settings = self.store.settings();
        let most = settings.max_events_per_append;
        let event = match check_event(event, settings) {
            Ok(event) => event,
            Err(error) => {
                self.settle().await?;
                return Err(self.at(number, &error));
            }
        };
        if !self.ids.insert(event.id) {
            self.send().await?;
            self.ids.insert(event.id);
        }
        self.chunk.push(number, event);
        if self.chunk.events.len() >= most || self.chunk.bytes >= CHUNK_BYTES {
            self.send().await?;
        }
        Ok(())
    }

    /// Sends what was taken, and waits until all of it is in the log.
    pub(super) async fn settle(&mut self) -> Result<Imported, Error> {
        self.send().await?;
        while self.take_answer().await? {}
        Ok(self.imported)
    }

    async fn send(&mut self) -> Result<(), Error> {
        let chunk = std::mem::take(&mut self.chunk);
        self.ids.clear();
        let Some(last) = chunk.events.last() else { return Ok(()) };
        self.chunk.follows = Some(last.id);
        while self.under_way.len() >= UNDER_WAY {
            self.take_answer().await?;
        }
        self.under_way.push_back(Box::pin(deliver(self.store.clone(), chunk)));
        Ok(())
    }

    /// Waits for the oldest chunk that is under way; false if none is.
    async fn take_answer(&mut self) -> Result<bool, Error> {
        let Some((chunk, result)) = self.under_way.next().await else { return Ok(false) };
        // What is to be sent again, the first of it last.
        let mut again = self.judge(chunk, result)?;
        while let Some(chunk) = again.pop() {
            let (chunk, result) = deliver(self.store.clone(), chunk).await;
            if matches!(result, Ok(Placed::TooEarly)) {
                return Err(self.at(chunk.first(), &lost()));
            }
            again.extend(self.judge(chunk, result)?);
        }
        if let Some(tell) = &mut self.on_progress {
            let events = self.imported.appended + self.imported.repeated;
            tell(TransferProgress { events, position: self.imported.last_position });
        }
        Ok(true)
    }

    /// Counts a chunk, or says what of it is to be sent again.
    fn judge(&mut self, mut chunk: Chunk, result: Result<Placed, Error>) -> Result<Vec<Chunk>, Error> {
        match result {
            Ok(Placed::At(receipt)) => {
                let count = chunk.events.len() as u64;
                match receipt.is_repeated() {
                    true => self.imported.repeated += count,
                    false => self.imported.appended += count,
                }
                self.imported.last_position = receipt.last_position();
                Ok(Vec::new())
            }
            // By now what it follows is there: it came before, and was taken before.
            Ok(Placed::TooEarly) => Ok(vec![chunk]),
            Err(error) if error.kind() == ErrorKind::Invalid && chunk.events.len() > 1 => {
                let second = chunk.split_off(chunk.events.len() / 2);
                Ok(vec![second, chunk])
            }
            Err(error) => Err(self.at(chunk.first(), &error)),
        }
    }

    fn at(&self, number: u64, error: &Error) -> Error {
        Error::new(error.kind(), format!("import: {} {number}: {error}", self.unit))
    }
}

impl Chunk {
    fn first(&self) -> u64 {
        self.numbers.first().copied().unwrap_or_default()
    }

    fn push(&mut self, number: u64, event: CheckedEvent) {
        self.bytes += event.size();
        self.numbers.push(number);
        self.events.push(event);
    }

    fn split_off(&mut self, at: usize) -> Self {
        let (numbers, events) = (self.numbers.split_off(at), self.events.split_off(at));
        Self { numbers, events, bytes: 0, follows: self.events.last().map(|event| event.id) }
    }
}

fn lost() -> Error {
    Error::new(
        ErrorKind::HistoryDiverged,
        "what was imported before is not in the log any more; it was lost in a failover: import all of it again",
    )
}

async fn deliver(store: EventStore, mut chunk: Chunk) -> Answered {
    if store.writer().is_closed() {
        return (chunk, Err(Error::closed()));
    }
    let (events, result) = store.inner().bulk.append(chunk.events, chunk.follows).await;
    chunk.events = events;
    (chunk, result)
}
