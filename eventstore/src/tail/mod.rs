//! The live end of the log, read once for everybody in a handle who waits for it.
//!
//! *Who owns what.* A handle has two [`Tail`]s, one that reads replicas and one that reads the primary (one and the same where there
//! are no replicas). Each has a task, started when the first one joins, which owns its place in the log (a token), and its
//! [`Audience`]: for each distinct filter those who wait for it. Whoever waits owns a [`Feed`], and in it the receiving end of a
//! bounded channel.
//!
//! *A round of the task.* Read the events after its place that match any of the filters (all events, where these are too many);
//! hand each of the audience what its filter matches; wait for news ([`Tip`](crate::notifier::Tip)), for somebody to join, or
//! for the polling interval. A poll reads the head alone, which is one index probe, and only then, if it has moved, the events.
//! A tip that a replica has not replayed yet is asked for again after a millisecond or some, until it has; one that nobody has after a
//! minute is taken back.
//!
//! *States of a feed.*
//!
//! ```text
//!             reads pages of its own,           reads what lies between its place
//!             from where it stands              and that of the task, where it joined
//!   start ──▶ catching up ──── at the end ────▶ joining ──── no gap left ────▶ live
//!                  ▲                                                            │
//!                  └───────────── the channel was full, or the task died ───────┘
//! ```
//!
//! A feed that has come further than the task where it joins waits until the task has come as far, and then joins there: the two may
//! have gone different ways, in a failover, and a position alone does not tell.
//!
//! So a slow one holds up nobody: it is dropped from the audience, and reads on by itself, in full pages, from where it stands.
//! By the position contract there is no gap and no overlap in any of this: every piece says after which position it begins and up
//! to which it is complete.
//!
//! *Failures.*
//! - A server that does not answer: tried again with growing pauses, for ever; warned of once.
//! - A filter's path is not indexed any more: the task reads all events and matches them itself; a feed that catches up fails.
//! - The log does not have the event at the task's place: its end was lost in a failover. Everybody in the audience is told
//!   ([`HistoryDiverged`](crate::ErrorKind::HistoryDiverged)), and the task has no place until somebody joins again.
//! - The task panics: channels close, feeds catch up by themselves, and the next one to join starts another task.
//!
//! *The end.* Closing the store ends tasks and listener; feeds end as closed.

mod audience;
mod chase;
mod chunk;
mod feed;
mod task;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

pub(crate) use chunk::Chunk;
pub(crate) use feed::Feed;

use crate::consistency::Consistency;
use crate::error::Error;
use crate::filter::{CheckedFilter, FilterFingerprint};
use crate::known_history::KnownHistory;
use crate::notifier::{Channel, Listener, Tip, listen};
use crate::pool::Connector;
use crate::query::Reader;
use crate::settings::Settings;
use crate::tail::audience::Seat;
use crate::tail::task::Task;
use crate::token::Token;

/// How many may wait to join at once.
const JOINING: usize = 64;

/// Which servers are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Replica,
    Primary,
}

impl Side {
    /// What a read has to ask for to go on after a token.
    fn consistency(self, place: Token) -> Consistency {
        match self {
            Self::Replica => Consistency::AtLeast(place),
            Self::Primary => Consistency::Strong,
        }
    }
}

/// What both tails of a handle share.
#[derive(Debug)]
pub(crate) struct Tails {
    of_replica: Tail,
    of_primary: Tail,
    has_replicas: bool,
    context: Arc<Context>,
    /// Where to listen; `None` behind a pooler that can not.
    listen_at: Option<(Connector, Channel)>,
    listener: Mutex<Option<Listener>>,
}

#[derive(Debug)]
struct Context {
    reader: Arc<Reader>,
    known: Arc<KnownHistory>,
    tip: Arc<Tip>,
    poll_every: watch::Sender<Duration>,
    settings: Settings,
    closing: CancellationToken,
}

/// The task that reads one side, if there is one.
#[derive(Debug)]
struct Tail {
    side: Side,
    running: Mutex<Option<(mpsc::Sender<Join>, AbortHandle)>>,
}

/// Somebody who wants to hear what comes.
struct Join {
    filter: Arc<CheckedFilter>,
    fingerprint: FilterFingerprint,
    /// Where it stands.
    from: Token,
    reply: oneshot::Sender<Seat>,
}

impl Tails {
    pub(crate) fn new(
        reader: Arc<Reader>,
        known: Arc<KnownHistory>,
        tip: Arc<Tip>,
        settings: Settings,
        has_replicas: bool,
        listen_at: Option<(Connector, Channel)>,
    ) -> Self {
        let (poll_every, closing) = (watch::Sender::new(settings.poll_every), CancellationToken::new());
        let context = Arc::new(Context { reader, known, tip, poll_every, settings, closing });
        let tail = |side| Tail { side, running: Mutex::default() };
        let (of_replica, of_primary) = (tail(Side::Replica), tail(Side::Primary));
        Self { of_replica, of_primary, has_replicas, context, listen_at, listener: Mutex::default() }
    }

    /// Sets how long nobody looks where nobody tells of anything: at once, also for those who wait already.
    pub(crate) fn poll_every(&self, interval: Duration) {
        self.context.poll_every.send_replace(interval);
    }

    pub(crate) fn polls_every(&self) -> Duration {
        *self.context.poll_every.borrow()
    }

    /// Cancelled when the store is closed.
    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.context.closing
    }

    /// Ends everything.
    pub(crate) fn close(&self) {
        self.context.closing.cancel();
        for tail in [&self.of_replica, &self.of_primary] {
            tail.end();
        }
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// A place in the audience, from where the task stands.
    async fn join(
        &self,
        side: Side,
        filter: &Arc<CheckedFilter>,
        fingerprint: FilterFingerprint,
        from: Token,
    ) -> Result<Seat, Error> {
        self.listen();
        let tail =
            if self.has_replicas && side == Side::Replica { &self.of_replica } else { &self.of_primary };
        // Again where the task has ended meanwhile.
        loop {
            if self.context.closing.is_cancelled() {
                return Err(Error::closed());
            }
            let (reply, seat) = oneshot::channel();
            let join = Join { filter: Arc::clone(filter), fingerprint, from, reply };
            if tail.inbox(&self.context).send(join).await.is_ok()
                && let Ok(seat) = seat.await
            {
                return Ok(seat);
            }
        }
    }

    fn listen(&self) {
        let Some((connector, channel)) = &self.listen_at else { return };
        let mut listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if listener.is_none() && !self.context.closing.is_cancelled() {
            *listener = Some(listen(connector.clone(), channel.clone(), Arc::clone(&self.context.tip)));
        }
    }
}

impl Drop for Tails {
    fn drop(&mut self) {
        self.close();
    }
}

impl Tail {
    fn inbox(&self, context: &Arc<Context>) -> mpsc::Sender<Join> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((inbox, _)) = running.as_ref().filter(|(inbox, _)| !inbox.is_closed()) {
            return inbox.clone();
        }
        let (inbox, joining) = mpsc::channel(JOINING);
        let task = tokio::spawn(Task::new(Arc::clone(context), self.side, joining).run()).abort_handle();
        *running = Some((inbox.clone(), task));
        inbox
    }

    fn end(&self) {
        if let Some((_, task)) = self.running.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}
