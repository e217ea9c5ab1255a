//! Reads that never go back in time.

use std::sync::{Arc, Mutex, PoisonError};

use crate::append::Append;
use crate::decide::Decide;
use crate::error::Error;
use crate::event::NewEvent;
use crate::filter::Filter;
use crate::query::{History, Query};
use crate::store::EventStore;
use crate::token::Token;

/// One user's view of a log: it remembers the furthest point that the user has seen or written, and reads at least that, on
/// whichever server has it. Made by [`EventStore::session`].
///
/// If what was seen was lost in a failover, every call of the session fails as
/// [`HistoryDiverged`](crate::ErrorKind::HistoryDiverged), until it is told to [`forget`](Self::forget).
///
/// Two reads of a session on two replicas, one of which lags, so never show an event and then not. Cheap to clone; clones remember
/// together. What a stateless application remembers for its user is the [`token`](Self::token), as text.
///
/// ```no_run
/// # use eventstore::{Error, EventStore, Filter};
/// /// `cookie` is what the browser was given last.
/// async fn page(store: &EventStore, cookie: Option<&str>) -> Result<(usize, String), Error> {
///     let session = store.session();
///     if let Some(text) = cookie {
///         session.has_seen(store.parse_token(text).await?);
///     }
///     let loans = session.query(&Filter::event_types(["BookLent"])).await?;
///     Ok((loans.len(), store.token_text(session.token()).await?))
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Session(EventStore);

/// The furthest point that was seen.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<Token>);

impl Session {
    pub(crate) fn new(store: &EventStore) -> Self {
        Self(store.with_seen(Arc::default()))
    }

    /// Queries as [`EventStore::query`] does, but unless said otherwise [at least](crate::Consistency::AtLeast) what was seen
    /// when the first page is read.
    pub fn query(&self, filter: &Filter) -> Query {
        self.0.query(filter)
    }

    /// Appends as [`EventStore::append`] does: what is accepted is seen.
    pub fn append(&self, events: impl IntoIterator<Item = NewEvent>) -> Append {
        self.0.append(events)
    }

    /// Decides as [`EventStore::decide`] does, by what the primary has.
    pub fn decide<'f, F, E>(&self, filter: &Filter, decide: F) -> Decide<'f, E>
    where
        F: FnMut(&History) -> Result<Vec<NewEvent>, E> + Send + 'f,
        E: From<Error>,
    {
        self.0.decide(filter, decide)
    }

    /// The furthest point that was seen; [`Token::START`] if nothing was.
    #[must_use]
    pub fn token(&self) -> Token {
        self.0.seen().map_or(Token::START, |seen| seen.token())
    }

    /// Forgets what was seen: to go on after it was lost.
    pub fn forget(&self) {
        if let Some(seen) = self.0.seen() {
            seen.forget();
        }
    }

    /// Says that the user has seen something elsewhere: what comes from here is as new.
    pub fn has_seen(&self, token: Token) {
        self.0.saw(token);
    }
}

impl Seen {
    pub(crate) fn token(&self) -> Token {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Token::START;
    }

    pub(crate) fn saw(&self, token: Token) {
        let mut furthest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if token.position() > furthest.position() {
            *furthest = token;
        }
    }
}
