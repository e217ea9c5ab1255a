//! Events on their way into the log: chunks in their order, two of them under way.
//!
//! *Owner.* The intake collects events into a chunk and sends it; what is under way is a task ([`Bulk`](crate::append::Bulk)), which
//! goes on while more events are collected, however slowly these come. Answers are taken in the order of the chunks.
//!
//! *Order.* Where the chunk before is not in the log, a chunk is not written, and is sent again when its turn comes.
//!
//! *Failures.* A chunk of which the log refuses something is halved until that is one event, so that it can be named and all before
//! it are there: of an import that was broken off some events are in the log, others not. With the first event that can not
//! be imported the intake ends, and what is under way after it writes nothing.

use std::collections::{HashSet, VecDeque};

use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::append::{Delivery, Placed, Shipment};
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
    import: Uuid,
    imported: Imported,
    /// How many chunks were sent.
    sent: i32,
    events: Vec<CheckedEvent>,
    numbers: Vec<u64>,
    bytes: usize,
    /// Of the events that are collected: one call can not have the same twice.
    ids: HashSet<EventId>,
    /// Each with the numbers of its events.
    under_way: VecDeque<(Vec<u64>, JoinHandle<Delivery>)>,
    ended: CancellationToken,
    _end_on_drop: DropGuard,
}

impl Intake {
    /// `unit` is what errors number.
    pub(super) fn new(store: EventStore, on_progress: Option<OnProgress>, unit: &'static str) -> Self {
        let ended = store.inner().bulk.import_token();
        Self {
            store,
            on_progress,
            unit,
            import: Uuid::new_v4(),
            imported: Imported::default(),
            sent: 0,
            events: Vec::new(),
            numbers: Vec::new(),
            bytes: 0,
            ids: HashSet::new(),
            under_way: VecDeque::new(),
            ended: ended.clone(),
            _end_on_drop: ended.drop_guard(),
        }
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
        self.bytes += event.size();
        self.events.push(event);
        self.numbers.push(number);
        if self.events.len() >= most || self.bytes >= CHUNK_BYTES {
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
        if self.events.is_empty() {
            return Ok(());
        }
        while self.under_way.len() >= UNDER_WAY {
            self.take_answer().await?;
        }
        self.sent = self.sent.checked_add(1).ok_or_else(|| Error::invalid("import has too many chunks"))?;
        self.ids.clear();
        self.bytes = 0;
        let shipment = Shipment {
            events: std::mem::take(&mut self.events),
            import: self.import,
            chunk: self.sent,
            is_last_piece: true,
            in_doubt: false,
        };
        let call = self.store.inner().bulk.send(shipment, self.ended.clone());
        self.under_way.push_back((std::mem::take(&mut self.numbers), call));
        Ok(())
    }

    /// Waits until the oldest chunk that is under way is in the log; false if none is under way.
    async fn take_answer(&mut self) -> Result<bool, Error> {
        let Some(was_early) = self.take_oldest().await? else { return Ok(false) };
        if was_early {
            // What came after it was early too: they go one by one, until none is under way.
            while self.take_oldest().await?.is_some() {}
        }
        Ok(true)
    }

    /// The same, and whether it had come too early.
    async fn take_oldest(&mut self) -> Result<Option<bool>, Error> {
        // Its handle stays where it is until there is an answer: whoever gives this up can ask again.
        let Some((_, call)) = self.under_way.front_mut() else { return Ok(None) };
        let delivery = call.await;
        let Some((numbers, _)) = self.under_way.pop_front() else { return Ok(None) };
        let (shipment, result) = delivered(delivery)?;
        let was_early = matches!(result, Ok(Placed::TooEarly));
        // What is to be sent now, the first of it last: by now the chunk before is there, as it was answered before.
        let mut again = match was_early {
            true => vec![(numbers, shipment)],
            false => self.judge(numbers, shipment, result)?,
        };
        while let Some((numbers, shipment)) = again.pop() {
            let call = self.store.inner().bulk.send(shipment, self.ended.clone());
            let (shipment, result) = delivered(call.await)?;
            again.extend(self.judge(numbers, shipment, result)?);
        }
        if let Some(tell) = &mut self.on_progress {
            let events = self.imported.appended + self.imported.repeated;
            tell(TransferProgress { events, position: self.imported.last_position });
        }
        Ok(Some(was_early))
    }

    /// Counts a shipment, or says what of it is to be sent in which pieces.
    fn judge(
        &mut self,
        mut numbers: Vec<u64>,
        mut shipment: Shipment,
        result: Result<Placed, Error>,
    ) -> Result<Vec<(Vec<u64>, Shipment)>, Error> {
        let first = numbers.first().copied().unwrap_or_default();
        match result {
            Ok(Placed::At(receipt)) => {
                match receipt.is_repeated() {
                    true => self.imported.repeated += numbers.len() as u64,
                    false => self.imported.appended += numbers.len() as u64,
                }
                self.imported.last_position = receipt.last_position();
                Ok(Vec::new())
            }
            Ok(Placed::TooEarly) => Err(lost()),
            Ok(Placed::Refused(error)) if numbers.len() < 2 => Err(self.at(first, &error)),
            Ok(Placed::Refused(_)) => {
                let half = numbers.len() / 2;
                let second = Shipment { events: shipment.events.split_off(half), ..shipment };
                shipment.is_last_piece = false;
                Ok(vec![(numbers.split_off(half), second), (numbers, shipment)])
            }
            // No event is to blame.
            Err(error) => {
                Err(Error::new(error.kind(), format!("import, from {} {first} on: {error}", self.unit)))
            }
        }
    }

    fn at(&self, number: u64, error: &Error) -> Error {
        Error::new(error.kind(), format!("import: {} {number}: {error}", self.unit))
    }
}

fn delivered(delivery: Result<Delivery, tokio::task::JoinError>) -> Result<Delivery, Error> {
    delivery.map_err(|_| Error::internal("the task of an import panicked"))
}

fn lost() -> Error {
    Error::new(
        ErrorKind::HistoryDiverged,
        "what was imported before is not in the log any more; it was lost in a failover: import all of it again",
    )
}
