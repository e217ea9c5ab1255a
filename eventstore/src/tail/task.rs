//! What the task of a tail does, round by round. States and failures: see the [module](super).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{Instrument as _, debug, info, info_span, warn};

use crate::deadline;
use crate::error::{Error, ErrorKind};
use crate::filter::CheckedFilter;
use crate::position::Position;
use crate::query::{Page, PageRequest, Source};
use crate::tail::audience::Audience;
use crate::tail::chase::Chase;
use crate::tail::{Context, Join, Side};
use crate::token::Token;

/// The least time between two reads of events: under load each finds more of them.
const GAP: Duration = Duration::from_millis(2);
/// How often those are told of progress for whom nothing came.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Everything that only the task touches.
pub(super) struct Task {
    context: Arc<Context>,
    side: Side,
    joining: mpsc::Receiver<Join>,
    audience: Audience,
    tip: watch::Receiver<Position>,
    poll_every: watch::Receiver<Duration>,
    /// Where everybody has been handed what there is.
    place: Token,
    looked_at: Instant,
    told_at: Instant,
    chase: Chase,
    /// A path of the filters has no keys.
    scans: bool,
    pause: Duration,
}

/// What to look at first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Nobody has told of anything.
    AtHead,
    AtEvents,
}

impl Task {
    pub(super) fn new(context: Arc<Context>, side: Side, joining: mpsc::Receiver<Join>) -> Self {
        let (tip, poll_every) = (context.tip.watch(), context.poll_every.subscribe());
        let (audience, now) = (Audience::default(), Instant::now());
        Self {
            context,
            side,
            joining,
            audience,
            tip,
            poll_every,
            place: Token::START,
            looked_at: now,
            told_at: now,
            chase: Chase::default(),
            scans: false,
            pause: FIRST_PAUSE,
        }
    }

    pub(super) async fn run(mut self) {
        let mut look = Look::AtEvents;
        loop {
            self.audience.look_around();
            if self.audience.is_empty() {
                self.chase.ends();
                let Some(join) = self.joining.recv().await else { return };
                self.place = join.from;
                self.admit(join);
                look = Look::AtEvents;
            }
            while let Ok(join) = self.joining.try_recv() {
                self.admit(join);
            }
            match self.look(look).await {
                Ok(true) => look = Look::AtEvents,
                Ok(false) => match self.wait().await {
                    Some(next) => look = next,
                    None => return,
                },
                Err(error) => self.has_failed(error).await,
            }
        }
    }

    fn admit(&mut self, join: Join) {
        self.scans = false;
        self.audience.admit(join, self.place);
    }

    /// Reads what is new, and hands it out; whether there is more at once.
    async fn look(&mut self, look: Look) -> Result<bool, Error> {
        if look == Look::AtEvents {
            let lead = if self.side == Side::Replica { self.chase.lead() } else { Duration::ZERO };
            sleep_until((Instant::now() + lead).max(self.looked_at + GAP)).await;
        }
        self.looked_at = Instant::now();
        let known = *self.tip.borrow_and_update();
        self.chase.hears(known, self.place.position());
        if look == Look::AtHead && self.read(Source::Nothing).await?.head.position() <= self.place.position()
        {
            self.is_at(self.place);
            return Ok(false);
        }
        let filter = if self.scans { CheckedFilter::all() } else { self.audience.filter() };
        let page = self.read(Source::filter(filter)).await?;
        let (reached, is_full) = (page.reached(), page.is_full());
        if !page.events.is_empty() {
            self.audience.hand_out(&page.events.into(), reached);
        }
        self.is_at(reached);
        Ok(is_full)
    }

    fn is_at(&mut self, place: Token) {
        if self.pause != FIRST_PAUSE {
            info!("new events can be read again");
            self.pause = FIRST_PAUSE;
        }
        let has_moved = place.position() > self.place.position();
        if has_moved {
            self.place = place;
        }
        if !has_moved || self.told_at.elapsed() >= PROGRESS_EVERY {
            self.told_at = Instant::now();
            self.audience.tell_progress(self.place);
        }
        self.chase.comes_to(self.place.position(), &self.context.tip);
    }

    async fn read(&self, source: Source) -> Result<Page, Error> {
        let settings = &self.context.settings;
        let request = PageRequest {
            low: self.place.position(),
            limit: settings.page_size,
            max_bytes: settings.max_page_bytes,
            witnesses: Some(self.place).filter(|place| !place.is_start()).into_iter().collect(),
            ..PageRequest::new(source)
        };
        let (consistency, deadline) =
            (self.side.consistency(self.place), deadline::after(settings.query_timeout));
        let span = info_span!("tail", after = self.place.position().get());
        self.context.reader.page(&request, consistency, deadline).instrument(span).await
    }

    /// Waits for a reason to look; `None` if nobody can join any more.
    async fn wait(&mut self) -> Option<Look> {
        let interval = *self.poll_every.borrow_and_update();
        let poll_at = self.looked_at.checked_add(interval).unwrap_or_else(|| deadline::after(interval));
        let next = self.chase.pause().map_or(poll_at, |pause| poll_at.min(Instant::now() + pause));
        tokio::select! {
            join = self.joining.recv() => {
                self.admit(join?);
                Some(Look::AtHead)
            }
            // The context has the sender.
            _ = self.tip.changed() => Some(Look::AtEvents),
            _ = self.poll_every.changed() => Some(Look::AtHead),
            () = sleep_until(next) => Some(Look::AtHead),
        }
    }

    async fn has_failed(&mut self, error: Error) {
        match error.kind() {
            ErrorKind::Unavailable => {
                if self.pause == FIRST_PAUSE {
                    warn!(%error, "new events can not be read now");
                } else {
                    debug!(%error, "new events can still not be read");
                }
                sleep(self.pause).await;
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            }
            // Matching them here takes no keys.
            ErrorKind::Invalid if !self.scans => {
                debug!(%error, "reading all events");
                self.scans = true;
            }
            _ => self.audience.fail(&self.context.known.explain(error)),
        }
    }
}
