//! From events to a state, with a snapshot on the way.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::ops::Deref;
use std::pin::Pin;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::{Instrument as _, info_span, warn};

use crate::consistency::Consistency;
use crate::error::{Error, ErrorKind};
use crate::event::RecordedEvent;
use crate::filter::Filter;
use crate::position::Position;
use crate::snapshot::{Snapshot, SnapshotKey};
use crate::token::Token;

/// How many events a state may have on top of its snapshot before it is saved again: they are read in some 5 ms.
const SAVE_EVERY: usize = 500;

type Apply<'f, S> = dyn FnMut(&mut S, &RecordedEvent) + Send + 'f;

/// A fold that is being described; awaiting it carries it out. See [`EventStore::fold`](crate::EventStore::fold).
///
/// # Errors
/// [`Invalid`](crate::ErrorKind::Invalid) if the snapshot does not have the shape of the state, or for a filter or name
/// that is not valid; else as for [`Query`](crate::Query). A snapshot of a lost history is not used, and one that
/// can not be saved is only warned of.
///
/// # Cancellation
/// Dropping it loses nothing but the answer.
#[must_use = "a fold does nothing until it is awaited"]
pub struct Fold<'f, S> {
    key: SnapshotKey,
    filter: Filter,
    initial: Option<S>,
    apply: Box<Apply<'f, S>>,
    consistency: Consistency,
    save_every: usize,
    until: Option<Position>,
}

/// A state, and the point in history up to which every matching event is in it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Folded<S> {
    /// The state.
    pub state: S,
    /// How many events were read for it, besides the snapshot.
    pub events: usize,
    token: Token,
}

impl<S> Folded<S> {
    /// The point up to which it is complete: give it to an append condition as `after`.
    #[must_use]
    pub fn token(&self) -> Token {
        self.token
    }

    /// The position of that point.
    #[must_use]
    pub fn position(&self) -> Position {
        self.token.position()
    }
}

impl<S> Deref for Folded<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.state
    }
}

impl<'f, S> Fold<'f, S>
where
    S: Serialize + DeserializeOwned + Send + Sync + 'f,
{
    pub(crate) fn new(key: SnapshotKey, filter: &Filter, initial: S, apply: Box<Apply<'f, S>>) -> Self {
        let (filter, consistency) = (filter.clone(), Consistency::Strong);
        Self { key, filter, initial: Some(initial), apply, consistency, save_every: SAVE_EVERY, until: None }
    }

    /// Sets how new the state must be; [`Consistency::Strong`] unless said.
    pub fn consistency(mut self, consistency: Consistency) -> Self {
        self.consistency = consistency;
        self
    }

    /// Saves a snapshot when so many events or more had to be read; 500 unless said.
    pub fn save_every(mut self, events: usize) -> Self {
        self.save_every = events.max(1);
        self
    }

    /// Folds only events up to this position (inclusive): the state as it was then. A snapshot of a later one is not used.
    pub fn until(mut self, position: impl Into<Position>) -> Self {
        self.until = Some(position.into());
        self
    }

    async fn carry_out(mut self) -> Result<Folded<S>, Error> {
        let loaded = match self.key.load_with::<S>(self.consistency).await {
            Err(error) if error.kind() == ErrorKind::HistoryDiverged => {
                warn!(%error, "snapshot not used, folding all events");
                None
            }
            loaded => loaded?,
        };
        let is_early =
            |snapshot: &Snapshot<S>| self.until.is_none_or(|until| snapshot.token.position() <= until);
        if let Some(Snapshot { state, token, .. }) = loaded.filter(is_early) {
            match self.read_on(state, token).await {
                // Another server than the one that had the snapshot knows better.
                Err(error) if error.kind() == ErrorKind::HistoryDiverged => {
                    warn!(%error, "snapshot not used, folding all events");
                }
                folded => return folded,
            }
        }
        match self.initial.take() {
            Some(initial) => self.read_on(initial, Token::START).await,
            None => Err(Error::internal("a fold was carried out twice")),
        }
    }

    async fn read_on(&mut self, mut state: S, start: Token) -> Result<Folded<S>, Error> {
        let mut query = self.key.store().query(&self.filter).consistency(self.consistency).after(start);
        if let Some(until) = self.until {
            query = query.until(until);
        }
        let mut pages = query.pages()?;
        let mut events = 0;
        while let Some(page) = pages.next().await? {
            for event in &page {
                (self.apply)(&mut state, event);
            }
            events += page.len();
        }
        let token = pages.complete();
        // A state that has events in it does not begin at the start: whoever read on from there would apply them again.
        if events >= self.save_every && !token.is_start() {
            save(&self.key, &state, token).await;
        }
        Ok(Folded { state, events, token })
    }
}

/// Saves time later, and so is worth no failure now. What would not come back (a float that is no number, say) is not
/// saved: every fold after this one would fail.
async fn save<S: Serialize + DeserializeOwned>(key: &SnapshotKey, state: &S, token: Token) {
    let text = serde_json::to_string(state).ok().filter(|text| serde_json::from_str::<S>(text).is_ok());
    let saved = match text {
        Some(text) => key.save_text(text, token).await,
        None => Err(Error::invalid("the state can not be written as JSON and read again")),
    };
    if let Err(error) = saved {
        warn!(%error, "snapshot not saved");
    }
}

impl<'f, S> IntoFuture for Fold<'f, S>
where
    S: Serialize + DeserializeOwned + Send + Sync + 'f,
{
    type Output = Result<Folded<S>, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'f>>;

    fn into_future(self) -> Self::IntoFuture {
        let span = info_span!("fold", consistency = ?self.consistency);
        Box::pin(self.carry_out().instrument(span))
    }
}

impl<S> fmt::Debug for Fold<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fold").field("key", &self.key).finish_non_exhaustive()
    }
}
