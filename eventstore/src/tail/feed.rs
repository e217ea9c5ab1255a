//! The events of one filter from a point of the log on, without end.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tracing::{debug, warn};

use crate::deadline;
use crate::error::{Error, ErrorKind};
use crate::filter::{CheckedFilter, Filter, FilterFingerprint};
use crate::query::{Page, PageRequest, Source};
use crate::store::EventStore;
use crate::tail::audience::Seat;
use crate::tail::{Chunk, Side};
use crate::token::Token;

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Reads on from where it stands; never ends by itself. States: see the [module](super).
pub(crate) struct Feed {
    store: EventStore,
    filter: Arc<CheckedFilter>,
    fingerprint: FilterFingerprint,
    side: Side,
    allow_scan: bool,
    /// Everything up to here was given out.
    place: Token,
    state: State,
}

enum State {
    CatchingUp,
    /// The task stands before the feed: until it has come as far, and is known to be of the same history.
    Ahead(Seat),
    Joining(Seat),
    Live(Seat),
}

impl Feed {
    /// After a token.
    pub(crate) fn new(
        store: &EventStore,
        filter: &Filter,
        side: Side,
        allow_scan: bool,
        place: Token,
    ) -> Result<Self, Error> {
        let (filter, fingerprint) = (Arc::new(filter.check()?), filter.fingerprint()?);
        let (store, state) = (store.clone(), State::CatchingUp);
        Ok(Self { store, filter, fingerprint, side, allow_scan, place, state })
    }

    /// Goes on after a later place: what lies between is known to others.
    pub(crate) fn skip_to(&mut self, place: Token) {
        self.moves_to(place);
    }

    /// Whether new events come by themselves, and nothing has to be read for this one alone.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.state, State::Live(_))
    }

    /// Up to where everything was given out.
    pub(crate) fn place(&self) -> Token {
        self.place
    }

    /// The next events that match, at least one; or how far it has come without one, which is told to `progress`. Servers that do not
    /// answer are outlasted.
    ///
    /// Cancel safe.
    pub(crate) async fn next(&mut self, progress: &(dyn Fn(Token) + Send + Sync)) -> Result<Chunk, Error> {
        let closing = self.store.inner().tails.closing().clone();
        tokio::select! {
            biased;
            () = closing.cancelled() => Err(Error::closed()),
            chunk = self.look(progress) => {
                chunk.map_err(|error| self.store.inner().known.explain(error))
            }
        }
    }

    async fn look(&mut self, progress: &(dyn Fn(Token) + Send + Sync)) -> Result<Chunk, Error> {
        loop {
            if let State::Live(seat) = &mut self.state {
                let chunk = tokio::select! {
                    biased;
                    chunk = seat.chunks.recv() => chunk,
                    Ok(()) = seat.progress.changed() => {
                        // In this order: what had been sent when this was said has been taken, if nothing waits.
                        let told = *seat.progress.borrow_and_update();
                        match seat.chunks.try_recv() {
                            Ok(chunk) => Some(chunk),
                            Err(_) => {
                                self.moves_to(told);
                                progress(self.place);
                                continue;
                            }
                        }
                    }
                };
                match chunk {
                    Some(chunk) => {
                        let chunk = chunk?.after(self.place.position());
                        self.moves_to(chunk.complete());
                        if !chunk.is_empty() {
                            return Ok(chunk);
                        }
                    }
                    None => {
                        debug!("reading on by oneself");
                        self.state = State::CatchingUp;
                    }
                }
                continue;
            }
            if let State::Ahead(seat) = &mut self.state {
                let told = tokio::select! {
                    biased;
                    chunk = seat.chunks.recv() => chunk.transpose()?.map(|chunk| chunk.complete()),
                    Ok(()) = seat.progress.changed() => Some(*seat.progress.borrow_and_update()),
                };
                let has_come = told.filter(|told| told.position() >= self.place.position());
                match (told, has_come, std::mem::replace(&mut self.state, State::CatchingUp)) {
                    // What lies between is read by oneself, and both ends looked up: the task may have gone another way.
                    (_, Some(at), State::Ahead(seat)) => self.state = State::Joining(Seat { at, ..seat }),
                    (Some(_), None, ahead) => self.state = ahead,
                    _ => {}
                }
                continue;
            }
            let page = self.page().await?;
            let (reached, is_full) = (page.reached(), page.is_full());
            let place = if reached.position() > self.place.position() { reached } else { self.place };
            // Whoever drops this meanwhile has the page read again: nothing has moved.
            let joined = match &self.state {
                State::CatchingUp if !is_full => Some(
                    self.store.inner().tails.join(self.side, &self.filter, self.fingerprint, place).await?,
                ),
                _ => None,
            };
            self.place = place;
            self.state = match (joined, std::mem::replace(&mut self.state, State::CatchingUp)) {
                (Some(seat), _) if seat.at == place => State::Live(seat),
                (Some(seat), _) if seat.at.position() < place.position() => State::Ahead(seat),
                (Some(seat), _) => State::Joining(seat),
                (None, State::Joining(seat)) if seat.at.position() <= place.position() => State::Live(seat),
                (None, state) => state,
            };
            if !page.events.is_empty() {
                return Ok(Chunk::whole(page.events, place));
            }
            progress(place);
        }
    }

    fn moves_to(&mut self, place: Token) {
        if place.position() > self.place.position() {
            self.place = place;
        }
    }

    /// A page of its own.
    async fn page(&self) -> Result<Page, Error> {
        let settings = self.store.settings();
        let until = match &self.state {
            State::Joining(seat) => Some(seat.at),
            _ => None,
        };
        let mut request = PageRequest {
            low: self.place.position(),
            high: until.map(|until| until.position()),
            limit: settings.page_size,
            max_bytes: settings.max_page_bytes,
            witnesses: [Some(self.place), until]
                .into_iter()
                .flatten()
                .filter(|token| !token.is_start())
                .collect(),
            ..PageRequest::new(Source::filter((*self.filter).clone()))
        };
        let consistency = self.side.consistency(until.unwrap_or(self.place));
        let mut pause = FIRST_PAUSE;
        loop {
            let deadline = deadline::after(settings.query_timeout);
            let error = match self.store.reader().page(&request, consistency, deadline).await {
                Ok(page) => return Ok(page),
                Err(error) => error,
            };
            match (error.kind(), &request.source) {
                (ErrorKind::Unavailable, _) => {
                    if pause == FIRST_PAUSE {
                        warn!(%error, "events can not be read now");
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                (ErrorKind::Invalid, Source::Keys(filter)) if self.allow_scan => {
                    request.source = Source::Scan(filter.clone());
                }
                _ => return Err(error),
            }
        }
    }
}
