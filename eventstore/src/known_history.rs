//! What this handle knows to be in the log, so that a failover that lost some of it is noticed and told.
//!
//! *What is known.* Tokens of receipts, and of heads that the primary showed: the newest ones, and ever fewer of the older.
//!
//! *When it is checked.* Whenever the writer has opened a new connection, before anything is sent on it: it may lead to another
//! server. Before each chunk of an import. Twice a second by the watch of the primary, where there are replicas. And whenever the
//! primary shows a head that lies below what was known before it was asked.
//!
//! *What is lost.* Positions have no gaps. So where the log reaches further than a token and no event stands at its position, the event
//! was archived, which is no loss, and its token is dropped without a word. Lost is what another event stands in place of, or what lies
//! beyond the head.
//!
//! *What follows.* The loss is logged and counted once, what was lost is not known any more, and all goes on: it is for whoever holds
//! a token of the lost tail to be refused ([`HistoryDiverged`](crate::ErrorKind::HistoryDiverged)), and then the error says
//! from where on the log is known to be lost.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::error;

use crate::error::Error;
use crate::event::EventId;
use crate::position::Position;
use crate::telemetry::Metrics;
use crate::token::Token;

/// How many tokens are kept. Of the older half every second one goes when there are more.
const MOST: usize = 64;

#[derive(Debug)]
pub(crate) struct KnownHistory {
    state: Mutex<State>,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct State {
    /// By ascending position.
    tokens: VecDeque<Token>,
    /// How many losses were told.
    losses: u64,
    /// From where on each of the last of them was, in the order in which they were told.
    lost_from: VecDeque<Position>,
}

/// What was known when a call began: its answer is about that, and not about what became known meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    losses: u64,
    end: Position,
}

/// What a server has where it was asked, in one snapshot.
#[derive(Debug)]
pub(crate) struct Found {
    /// Where its log ends.
    pub(crate) head: Position,
    pub(crate) events: Vec<(Position, EventId)>,
}

impl Found {
    pub(crate) fn has(&self, token: Token) -> bool {
        self.at(token) == Some(token.event_id())
    }

    /// Whether the event is not of this history. One that was archived may have been.
    pub(crate) fn excludes(&self, token: Token) -> bool {
        self.at(token).map_or(token.position() > self.head, |id| id != token.event_id())
    }

    fn at(&self, token: Token) -> Option<EventId> {
        self.events.iter().find(|(position, _)| *position == token.position()).map(|(_, id)| *id)
    }
}

impl KnownHistory {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { state: Mutex::default(), metrics }
    }

    /// For a call to take before it begins.
    pub(crate) fn now(&self) -> Known {
        let state = self.lock();
        let end = state.tokens.back().map_or(Position::START, Token::position);
        Known { losses: state.losses, end }
    }

    /// Notes what a call has shown to be in the log. One that began before a loss was told may have shown what is lost.
    pub(crate) fn saw(&self, token: Token, when: &Known) {
        let mut state = self.lock();
        if state.losses != when.losses {
            return;
        }
        let tokens = &mut state.tokens;
        if token.is_start() || tokens.back().is_some_and(|newest| newest.position() >= token.position()) {
            return;
        }
        tokens.push_back(token);
        if tokens.len() > MOST {
            let mut nth = 0;
            tokens.retain(|_| {
                nth += 1;
                nth > MOST / 2 || nth % 2 == 1
            });
        }
    }

    pub(crate) fn tokens(&self) -> Vec<Token> {
        self.lock().tokens.iter().copied().collect()
    }

    /// Says what the primary has at the positions of the tokens that were known.
    pub(crate) fn found(&self, known: &[Token], found: &Found, when: &Known, server: &str) {
        if let Some(first) = known.iter().find(|token| found.excludes(**token)) {
            self.lost_from(first.position(), when, server);
        }
        let is_archived = |token: &Token| !found.has(*token) && !found.excludes(*token);
        let archived: Vec<Token> = known.iter().copied().filter(is_archived).collect();
        if !archived.is_empty() {
            self.lock().tokens.retain(|token| !archived.contains(token));
        }
    }

    /// Says where the log of the primary ended when it was asked.
    pub(crate) fn ends_at(&self, head: Position, when: &Known, server: &str) {
        if head >= when.end {
            return;
        }
        let first = self.lock().tokens.iter().map(Token::position).find(|position| *position > head);
        if let Some(first) = first {
            self.lost_from(first, when, server);
        }
    }

    /// The error, and from where on the log is known to be lost if that is why: of the losses that explain it the one that begins
    /// nearest.
    pub(crate) fn explain(&self, error: Error) -> Error {
        let state = self.lock();
        let explains = |first: &&Position| error.diverged_at().is_some_and(|position| **first <= position);
        match state.lost_from.iter().filter(explains).max() {
            Some(first) => error.with_loss(*first),
            None => error,
        }
    }

    /// From where on something was lost since it was last asked for with this counter.
    pub(crate) fn lost_since(&self, counter: &AtomicU64) -> Option<Position> {
        let state = self.lock();
        let new = state.losses.saturating_sub(counter.swap(state.losses, Ordering::Relaxed));
        let new = usize::try_from(new).unwrap_or(usize::MAX);
        state.lost_from.iter().rev().take(new).min().copied()
    }

    fn lost_from(&self, first: Position, when: &Known, server: &str) {
        {
            let mut state = self.lock();
            if state.losses != when.losses {
                return; // somebody else has told it, and what is known by now may be another history
            }
            state.losses += 1;
            state.tokens.retain(|token| token.position() < first);
            state.lost_from.push_back(first);
            if state.lost_from.len() > MOST {
                state.lost_from.pop_front();
            }
        }
        self.metrics.history_losses.inc();
        self.metrics.history_lost_from.set(i64::try_from(first.get()).unwrap_or(i64::MAX));
        error!(
            server,
            position = first.get(),
            "the end of the log was lost in a failover, from this position on or before"
        );
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::SchemaName;

    fn token(position: u64) -> Token {
        Token::new(Position::new(position), EventId::from(uuid::Uuid::from_u128(position.into())))
    }

    fn known(positions: impl IntoIterator<Item = u64>) -> KnownHistory {
        let metrics = Metrics::new(&SchemaName::new("s").unwrap()).unwrap();
        let known = KnownHistory::new(Arc::new(metrics));
        positions.into_iter().for_each(|position| known.saw(token(position), &known.now()));
        known
    }

    fn found(head: u64, there: impl IntoIterator<Item = Token>) -> Found {
        let events = there.into_iter().map(|token| (token.position(), token.event_id())).collect();
        Found { head: Position::new(head), events }
    }

    #[test]
    fn the_first_event_that_is_not_where_it_was_is_told_once_and_what_follows_it_forgotten() {
        let known = known([1, 5, 9]);
        let (asked, when) = (known.tokens(), known.now());
        let other = Token::new(Position::new(9), EventId::generate());
        let found = found(12, [token(1), token(5), other]);
        known.found(&asked, &found, &when, "server");
        known.found(&asked, &found, &when, "server");
        assert_eq!((known.now().end.get(), known.metrics.history_losses.get()), (5, 1));
        let lost_from =
            |position| known.explain(Error::diverged(Position::new(position), "gone")).lost_from();
        assert_eq!((lost_from(9), lost_from(12)), (Some(Position::new(9)), Some(Position::new(9))));
        assert_eq!(lost_from(8), None, "of another log, perhaps");
        assert!(!known.explain(Error::invalid("x")).to_string().contains("loss"));
        known.ends_at(Position::new(4), &known.now(), "server");
        assert_eq!((known.now().end.get(), known.metrics.history_lost_from.get()), (1, 5));
        assert_eq!((lost_from(8), lost_from(12)), (Some(Position::new(5)), Some(Position::new(9))));
        let counter = AtomicU64::new(1);
        assert_eq!((known.lost_since(&counter), known.lost_since(&counter)), (Some(Position::new(5)), None));
    }

    /// Answers that come late are about a history that is no more.
    #[test]
    fn what_a_call_showed_that_began_before_a_loss_was_told_counts_for_nothing() {
        let known = known([1, 5, 9]);
        let (asked, before) = (known.tokens(), known.now());
        known.ends_at(Position::new(5), &before, "server");
        known.saw(token(9), &before);
        assert_eq!(known.now().end.get(), 5, "a receipt of what is lost");
        known.saw(token(6), &known.now());
        known.ends_at(Position::new(5), &before, "server");
        known.found(&asked, &found(0, []), &before, "server");
        assert_eq!((known.now().end.get(), known.metrics.history_losses.get()), (6, 1), "of the new history");
    }

    #[test]
    fn what_was_archived_is_dropped_and_no_loss() {
        let known = known([1, 5, 9]);
        known.found(&known.tokens(), &found(9, [token(9)]), &known.now(), "server");
        assert_eq!((known.tokens(), known.metrics.history_losses.get()), (vec![token(9)], 0));
        known.found(&known.tokens(), &found(8, []), &known.now(), "server");
        assert_eq!((known.tokens(), known.metrics.history_losses.get()), (vec![], 1), "beyond the head");
        assert_eq!(known.metrics.history_lost_from.get(), 9);
        known.saw(token(3), &known.now());
        known.found(&known.tokens(), &found(0, []), &known.now(), "server");
        assert_eq!(known.metrics.history_losses.get(), 2, "the log is empty");
    }

    #[test]
    fn the_newest_are_kept_and_ever_fewer_of_the_older() {
        let known = known(1..=10_000);
        let positions: Vec<u64> = known.tokens().iter().map(|token| token.position().get()).collect();
        assert!(positions.len() <= MOST && positions.is_sorted());
        assert_eq!((positions[0], positions.last()), (1, Some(&10_000)));
        assert!(positions.contains(&9_990));
    }
}
