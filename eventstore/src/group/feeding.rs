//! How a member feeds its group: reads what matches, and puts it into the work.
//!
//! One member does at a time, the *feeder*: whoever has done so last. It reads ahead, so that there is always something to claim,
//! until the work is as long as it may be. The others stand by: they take what comes by itself, at the live end of the log, but leave it to the
//! feeder for a moment; and they read the log only if they could claim nothing for that long. So one that has died is missed for a
//! tenth of a second, and nobody has to be elected.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use crate::error::{Error, ErrorKind};
use crate::group::calls::Fed;
use crate::group::membership::Membership;
use crate::group::ops::Underway;
use crate::position::Position;
use crate::tail::{Chunk, Feed};
use crate::token::Token;

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long to claim what is there before more is fed.
const FULL_PAUSE: Duration = Duration::from_millis(100);
/// How long somebody else is left to feed the group.
const BUSY_PAUSE: Duration = Duration::from_millis(20);
/// How long those who have not fed the group last leave it to whoever has.
const STAND_BY: Duration = Duration::from_millis(100);

pub(super) struct Feeding {
    /// The feed, while nothing is read.
    feed: Option<Feed>,
    pub(super) reading: Underway<Reading>,
    /// Whether what comes next comes by itself.
    is_live: bool,
    /// Read and not fed yet, and when it was.
    chunk: Option<(Chunk, Instant)>,
    /// How far the feed has come without a match.
    reached: Arc<Mutex<Token>>,
    /// Up to where the group was fed, as far as it is known here.
    fed: Token,
    is_feeder: bool,
    pub(super) under_way: Underway<Call>,
    pause: Duration,
    /// Nothing is read or fed before.
    not_before: Instant,
}

/// What was read.
pub(super) type Reading = (Feed, Result<Chunk, Error>);

/// A call that has ended.
pub(super) enum Call {
    /// Up to a token.
    Fed(Token, Result<Fed, Error>),
    /// A feed was begun again where the group is.
    Again(Result<(Feed, Token), Error>),
}

/// What follows for the member.
#[derive(Debug)]
pub(super) enum Effect {
    Nothing,
    /// There may be something to claim: so many events, if it was this one that has fed them.
    MayClaim {
        events: usize,
    },
    /// Nobody can go on.
    Failed(Error),
}

impl Feeding {
    pub(super) fn new(feed: Feed, fed: Token) -> Self {
        Self {
            feed: Some(feed),
            reading: Underway::default(),
            is_live: false,
            chunk: None,
            reached: Arc::new(Mutex::new(fed)),
            fed,
            // Until somebody else turns out to be.
            is_feeder: true,
            under_way: Underway::default(),
            pause: FIRST_PAUSE,
            not_before: Instant::now(),
        }
    }

    /// Reads on, if that is this one's to do.
    pub(super) fn begin_reading(&mut self, dry_since: Option<Instant>) {
        let has_waited = dry_since.is_some_and(|since| since.elapsed() >= STAND_BY);
        let is_due = self.is_feeder || self.is_live || has_waited;
        if self.chunk.is_some() || !is_due || Instant::now() < self.not_before {
            return;
        }
        let Some(mut feed) = self.feed.take() else { return };
        feed.skip_to(self.fed);
        let reached = Arc::clone(&self.reached);
        self.reading.begin(async move {
            let progress = move |place| *reached.lock().unwrap_or_else(PoisonError::into_inner) = place;
            let chunk = feed.next(&progress).await;
            (feed, chunk)
        });
    }

    pub(super) fn has_read(&mut self, (feed, chunk): Reading, membership: &Membership) -> Effect {
        self.is_live = feed.is_live();
        self.feed = Some(feed);
        match chunk {
            // Others have fed it meanwhile.
            Ok(chunk) if chunk.complete().position() <= self.fed.position() => Effect::Nothing,
            Ok(chunk) => {
                self.chunk = Some((chunk, Instant::now()));
                Effect::Nothing
            }
            // The work lies in the same database, and has lost the same.
            Err(error) if error.kind() == ErrorKind::HistoryDiverged => {
                warn!(%error, group = membership.name, "going on from where the group is");
                self.begin_again(membership);
                Effect::Nothing
            }
            Err(error) => {
                self.rest(LONGEST_PAUSE);
                Effect::Failed(error)
            }
        }
    }

    /// Feeds what was read.
    pub(super) fn begin(&mut self, membership: &Membership) {
        if let Some((chunk, _)) = &self.chunk
            && self.under_way.is_free()
            && Instant::now() >= self.feeds_at()
        {
            let (chunk, to) = (chunk.clone(), chunk.complete());
            let (calls, from) = (Arc::clone(&membership.calls), self.fed.position());
            self.under_way.begin(async move { Call::Fed(to, calls.feed(from, Some(&chunk), to).await) });
        }
    }

    /// Has the group come along where nothing matches.
    pub(super) fn begin_without_events(&mut self, membership: &Membership) {
        let reached = *self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        if self.chunk.is_none() && self.under_way.is_free() && reached.position() > self.fed.position() {
            let (calls, from) = (Arc::clone(&membership.calls), self.fed.position());
            self.under_way.begin(async move { Call::Fed(reached, calls.feed(from, None, reached).await) });
        }
    }

    pub(super) fn has_ended(&mut self, call: Call, is_dry: bool, membership: &Membership) -> Effect {
        let error = match call {
            Call::Fed(up_to, Ok(Fed::Now)) => {
                let events = self.chunk.take_if(|(chunk, _)| chunk.complete() == up_to);
                (self.fed, self.pause, self.is_feeder) = (up_to, FIRST_PAUSE, true);
                return Effect::MayClaim { events: events.map_or(0, |(chunk, _)| chunk.len()) };
            }
            Call::Fed(_, Ok(Fed::ByOthers(fed))) => {
                // What lies beyond it is still to be fed: it is not read again.
                self.chunk.take_if(|(chunk, _)| chunk.complete().position() <= fed.position());
                (self.fed, self.is_feeder, self.pause) = (fed, false, FIRST_PAUSE);
                return Effect::MayClaim { events: 0 };
            }
            Call::Fed(_, Ok(Fed::Busy)) => {
                self.rest(BUSY_PAUSE);
                return Effect::Nothing;
            }
            // What is there is claimed first; where it is not for this one, whoever can will feed.
            Call::Fed(_, Ok(Fed::Full)) => {
                self.rest(if is_dry { LONGEST_PAUSE } else { FULL_PAUSE });
                return Effect::Nothing;
            }
            Call::Fed(_, Ok(Fed::Elsewhere)) => {
                debug!(group = membership.name, "the group is elsewhere in the log");
                self.begin_again(membership);
                return Effect::Nothing;
            }
            Call::Fed(_, Ok(Fed::Gone)) => {
                self.rest(LONGEST_PAUSE);
                return Effect::Failed(membership.is_gone());
            }
            Call::Again(Ok((feed, fed))) => {
                (self.feed, self.fed, self.pause) = (Some(feed), fed, FIRST_PAUSE);
                *self.reached.lock().unwrap_or_else(PoisonError::into_inner) = fed;
                return Effect::MayClaim { events: 0 };
            }
            Call::Fed(_, Err(error)) | Call::Again(Err(error)) => error,
        };
        if !matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::HistoryDiverged) {
            self.pause = LONGEST_PAUSE;
            self.begin_again(membership);
            return Effect::Failed(error);
        }
        if self.pause == FIRST_PAUSE {
            warn!(%error, group = membership.name, "new events can not be shared now");
        }
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.begin_again(membership);
        Effect::Nothing
    }

    /// A claim has found how far the group is fed. Feeding is not flushed: a crash of the primary may have lost some of it.
    pub(super) fn is_fed_up_to(&mut self, position: Position, membership: &Membership) {
        if position < self.fed.position() && self.under_way.is_free() {
            warn!(group = membership.name, "the group was set back, and is fed again");
            self.begin_again(membership);
        }
    }

    /// When to look again, if nothing else happens.
    pub(super) fn wakes_at(&self, dry_since: Option<Instant>) -> Option<Instant> {
        match &self.chunk {
            Some(_) => self.under_way.is_free().then(|| self.feeds_at()),
            // It is being read.
            None if self.feed.is_none() => None,
            None if self.is_feeder || self.is_live => Some(self.not_before),
            None => dry_since.map(|since| (since + STAND_BY).max(self.not_before)),
        }
    }

    fn feeds_at(&self) -> Instant {
        let read_at = self.chunk.as_ref().map_or(self.not_before, |(_, read_at)| *read_at);
        let stand_by = if self.is_feeder { Duration::ZERO } else { STAND_BY };
        (read_at + stand_by).max(self.not_before)
    }

    /// Reads and feeds nothing for a while.
    fn rest(&mut self, pause: Duration) {
        self.not_before = Instant::now() + pause;
    }

    /// Forgets what was read, and asks where the group is.
    fn begin_again(&mut self, membership: &Membership) {
        (self.chunk, self.feed, self.reading) = (None, None, Underway::default());
        let (group, calls, pause) = (membership.group.clone(), Arc::clone(&membership.calls), self.pause);
        self.under_way.begin(async move {
            sleep(pause).await;
            Call::Again(group.feed_again(calls.group, calls.member).await)
        });
    }
}
