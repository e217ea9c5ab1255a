//! What a query returns.

use std::ops::Deref;

use crate::event::RecordedEvent;
use crate::position::Position;
use crate::token::Token;

/// The events that a query returned, with the position up to which they are complete.
///
/// It reads as a slice of events.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    events: Vec<RecordedEvent>,
    complete: Token,
}

impl History {
    /// With the events that came after it.
    pub(crate) fn extended(mut self, newer: Self) -> Self {
        self.events.extend(newer.events);
        Self { events: self.events, complete: newer.complete }
    }

    pub(crate) fn new(events: Vec<RecordedEvent>, complete: Token) -> Self {
        Self { events, complete }
    }

    /// The events, in the order asked for.
    #[must_use]
    pub fn events(&self) -> &[RecordedEvent] {
        &self.events
    }

    /// The events themselves.
    #[must_use]
    pub fn into_events(self) -> Vec<RecordedEvent> {
        self.events
    }

    /// The position up to which this history is complete: every match at or before it (and after where the query
    /// began) is here. Reading forwards it is the least of the log's head, the upper bound on position or on the
    /// time of recording, and the last event where the limit was reached; reading backwards the head, or the upper
    /// bound. Never less than where the query began; [`Position::START`] if the log is empty.
    ///
    /// With a limit, reading backwards, older matches than the last one here are left out: it says what no later event
    /// will add, and not where to go on reading.
    #[must_use]
    pub fn position(&self) -> Position {
        self.complete.position()
    }

    /// The same as a token: give it to an append condition as `after`, or to the next query.
    #[must_use]
    pub fn token(&self) -> Token {
        self.complete
    }
}

impl Deref for History {
    type Target = [RecordedEvent];

    fn deref(&self) -> &Self::Target {
        &self.events
    }
}

impl IntoIterator for History {
    type Item = RecordedEvent;
    type IntoIter = std::vec::IntoIter<RecordedEvent>;

    fn into_iter(self) -> Self::IntoIter {
        self.events.into_iter()
    }
}

impl<'a> IntoIterator for &'a History {
    type Item = &'a RecordedEvent;
    type IntoIter = std::slice::Iter<'a, RecordedEvent>;

    fn into_iter(self) -> Self::IntoIter {
        self.events.iter()
    }
}
