//! What a decision needs to know of a book and a reader.

use testutil::checker::LogEvent;
use uuid::Uuid;

use super::events::{self, ADDED, BOOK, CANCELED, LENT, READER, REGISTERED, REMOVED, RETURNED};

/// The state of one book and one reader, from the events that concern them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Circulation {
    pub(super) in_circulation: bool,
    pub(super) lent_to: Option<Uuid>,
    pub(super) registered: bool,
    pub(super) loans: u32,
}

impl Circulation {
    pub(super) fn fold(history: &[LogEvent], book: Option<Uuid>, reader: Option<Uuid>) -> Self {
        let mut state = Self::default();
        for event in history {
            let (of_book, of_reader) = (events::id(&event.payload, BOOK), events::id(&event.payload, READER));
            if of_book.is_some() && of_book == book {
                state.book_event(event, of_reader);
            }
            if of_reader.is_some() && of_reader == reader {
                state.reader_event(event);
            }
        }
        state
    }

    fn book_event(&mut self, event: &LogEvent, reader: Option<Uuid>) {
        match event.event_type.as_str() {
            ADDED => self.in_circulation = true,
            REMOVED => self.in_circulation = false,
            LENT => self.lent_to = reader,
            RETURNED => self.lent_to = None,
            _ => {}
        }
    }

    fn reader_event(&mut self, event: &LogEvent) {
        match event.event_type.as_str() {
            REGISTERED => self.registered = true,
            CANCELED => self.registered = false,
            LENT => self.loans += 1,
            RETURNED => self.loans = self.loans.saturating_sub(1),
            _ => {}
        }
    }
}
