//! One append on its way to the writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::append::Receipt;
use crate::append::condition::Condition;
use crate::error::Error;
use crate::event::CheckedEvent;
use crate::filter::CheckedFilter;
use crate::position::Position;
use crate::settings::Settings;
use crate::token::Token;

/// A checked append, and the way back to its caller.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) events: Vec<CheckedEvent>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) deadline: Instant,
    size: usize,
    probes: usize,
    stage: Arc<Stage>,
    reply: oneshot::Sender<Result<Outcome, Error>>,
}

/// What became of a request that was sent.
#[derive(Debug)]
pub(crate) enum Outcome {
    Appended(Receipt),
    /// Nothing was written or decided: its conditions have to be settled first. They come back with its events.
    Unsettled(Vec<CheckedEvent>, Vec<Condition>),
}

/// How far a request has come. Its caller and the writer agree through it on whether it was ever sent.
#[derive(Debug, Default)]
pub(crate) struct Stage(AtomicU8);

const QUEUED: u8 = 0;
const SENT: u8 = 1;
const ABANDONED: u8 = 2;

impl Stage {
    /// Gives up a request that still waits; false if the writer has taken it already.
    pub(crate) fn abandon(&self) -> bool {
        self.0.compare_exchange(QUEUED, ABANDONED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn put_back(&self) {
        self.0.store(QUEUED, Ordering::Release);
    }

    fn take(&self) -> bool {
        self.0.compare_exchange(QUEUED, SENT, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// The caller's end of a request.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) stage: Arc<Stage>,
    pub(crate) reply: oneshot::Receiver<Result<Outcome, Error>>,
}

impl Request {
    pub(crate) fn new(
        events: Vec<CheckedEvent>,
        conditions: Vec<Condition>,
        deadline: Instant,
    ) -> (Self, Ticket) {
        let stage = Arc::new(Stage::default());
        let (reply, receiver) = oneshot::channel();
        let ticket = Ticket { stage: Arc::clone(&stage), reply: receiver };
        let filters = || conditions.iter().map(|condition| &condition.checked.filter);
        let size = events.iter().map(CheckedEvent::size).chain(filters().map(CheckedFilter::size)).sum();
        let probes = filters().map(CheckedFilter::probes).sum();
        (Self { events, conditions, deadline, size, probes, stage, reply }, ticket)
    }

    /// Marks the request as sent; false if nobody waits for it any more, so that it must not be.
    pub(crate) fn take(&self) -> bool {
        if self.reply.is_closed() {
            self.stage.abandon();
        }
        self.stage.take()
    }

    /// Refuses what would not go into one message to the server.
    pub(crate) fn check_size(&self, settings: &Settings) -> Result<(), Error> {
        let (bytes, limit) = (self.size(), settings.max_append_bytes);
        if bytes > limit {
            return Err(Error::invalid(format!(
                "append has {bytes} bytes of events and conditions; expected at most {limit}"
            )));
        }
        Ok(())
    }

    /// Undoes [`take`](Self::take): nothing of it was written.
    pub(crate) fn put_back(&self) {
        self.stage.put_back();
    }

    pub(crate) fn is_awaited(&self, now: Instant) -> bool {
        !self.reply.is_closed() && now < self.deadline
    }

    /// About how many bytes of a call it takes.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// How many keys its conditions are probed under.
    pub(crate) fn probes(&self) -> usize {
        self.probes
    }

    /// The receipt of this request if its first event stands at `first`.
    pub(crate) fn receipt(&self, first: Position, repeated: bool) -> Result<Receipt, Error> {
        let last = self.events.last().ok_or_else(|| Error::internal("a request without events was sent"))?;
        let position = Position::new(first.get() + self.events.len() as u64 - 1);
        Ok(Receipt::new(first, Token::new(position, last.id), repeated))
    }

    pub(crate) fn finish(self, result: Result<Receipt, Error>) {
        // A caller that went away has no use for the answer.
        drop(self.reply.send(result.map(Outcome::Appended)));
    }

    /// Gives it back, to be settled.
    pub(crate) fn give_back(self) {
        drop(self.reply.send(Ok(Outcome::Unsettled(self.events, self.conditions))));
    }
}
