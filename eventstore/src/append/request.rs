//! One append on its way to the writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::append::Receipt;
use crate::condition::CheckedCondition;
use crate::error::Error;
use crate::event::CheckedEvent;
use crate::position::Position;
use crate::token::Token;

/// A checked append, and the way back to its caller.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) events: Vec<CheckedEvent>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) deadline: Instant,
    stage: Arc<Stage>,
    reply: oneshot::Sender<Result<Receipt, Error>>,
}

/// A condition, and what a read before the append found out about it.
#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) checked: CheckedCondition,
    /// No event matches up to here (inclusive), so that the check under the lock begins after it.
    pub(crate) settled: Position,
    /// What that reading rests on besides `after`: an event it saw.
    pub(crate) witness: Option<Token>,
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

    fn take(&self) -> bool {
        self.0.compare_exchange(QUEUED, SENT, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// The caller's end of a request.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) stage: Arc<Stage>,
    pub(crate) reply: oneshot::Receiver<Result<Receipt, Error>>,
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
        (Self { events, conditions, deadline, stage, reply }, ticket)
    }

    /// Marks the request as sent; false if nobody waits for it any more, so that it must not be.
    pub(crate) fn take(&self) -> bool {
        if self.reply.is_closed() {
            self.stage.abandon();
        }
        self.stage.take()
    }

    pub(crate) fn is_awaited(&self, now: Instant) -> bool {
        !self.reply.is_closed() && now < self.deadline
    }

    pub(crate) fn size(&self) -> usize {
        self.events.iter().map(CheckedEvent::size).sum()
    }

    /// The receipt of this request if its first event stands at `first`.
    pub(crate) fn receipt(&self, first: Position, repeated: bool) -> Result<Receipt, Error> {
        let last = self.events.last().ok_or_else(|| Error::internal("a request without events was sent"))?;
        let position = Position::new(first.get() + self.events.len() as u64 - 1);
        Ok(Receipt::new(first, Token::new(position, last.id), repeated))
    }

    pub(crate) fn finish(self, result: Result<Receipt, Error>) {
        // A caller that went away has no use for the answer.
        drop(self.reply.send(result));
    }
}
