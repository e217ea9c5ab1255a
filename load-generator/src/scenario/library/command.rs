//! What somebody asks the library to do, and what the domain says to it.

use serde_json::json;
use testutil::checker::{Filter, LogEvent};
use uuid::Uuid;

use super::circulation::Circulation;
use super::events::{self, BOOK, READER, TYPES};
use crate::engine::Draft;

/// How many books a reader may have.
pub(super) const MOST_LOANS: u32 = 10;

/// A request that means to change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Lend { book: Uuid, reader: Uuid },
    Return { book: Uuid, reader: Uuid },
    Add { book: Uuid },
    Remove { book: Uuid },
    Register { reader: Uuid },
    Cancel { reader: Uuid },
}

/// Whether somebody is there to serve readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Desk {
    Open,
    Closed,
}

/// Why the domain says no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Closed,
    NotInCirculation,
    InCirculation,
    Lent,
    NotLentToReader,
    NotRegistered,
    Registered,
    TooManyLoans,
    HasLoans,
}

impl Command {
    /// The events that its decision rests on, and its append is conditional on: those of its book and of its reader.
    pub(super) fn filter(self) -> Filter {
        let types = Filter::types(TYPES);
        match self {
            Self::Lend { book, reader } | Self::Return { book, reader } => {
                types.and_any([(BOOK, json!(book)), (READER, json!(reader))])
            }
            Self::Add { book } | Self::Remove { book } => types.and_all([(BOOK, json!(book))]),
            Self::Register { reader } | Self::Cancel { reader } => types.and_all([(READER, json!(reader))]),
        }
    }

    /// What is known of its book and its reader from these events.
    pub(super) fn state(self, history: &[LogEvent]) -> Circulation {
        Circulation::fold(history, self.book(), self.reader())
    }

    /// The rules of the library. A closed one still takes books back, through its drop box.
    pub(super) fn decide(self, state: Circulation, desk: Desk) -> Result<Draft, Refusal> {
        let needs_desk = !matches!(self, Self::Return { .. });
        refuse_if(needs_desk && desk == Desk::Closed, Refusal::Closed)?;
        match self {
            Self::Lend { book, reader } => {
                refuse_if(!state.in_circulation, Refusal::NotInCirculation)?;
                refuse_if(state.lent_to.is_some(), Refusal::Lent)?;
                refuse_if(!state.registered, Refusal::NotRegistered)?;
                refuse_if(state.loans >= MOST_LOANS, Refusal::TooManyLoans)?;
                Ok(events::lent(book, reader))
            }
            Self::Return { book, reader } => {
                refuse_if(state.lent_to != Some(reader), Refusal::NotLentToReader)?;
                Ok(events::returned(book, reader))
            }
            Self::Add { book } => {
                refuse_if(state.in_circulation, Refusal::InCirculation)?;
                Ok(events::added(book))
            }
            Self::Remove { book } => {
                refuse_if(!state.in_circulation, Refusal::NotInCirculation)?;
                refuse_if(state.lent_to.is_some(), Refusal::Lent)?;
                Ok(events::removed(book))
            }
            Self::Register { reader } => {
                refuse_if(state.registered, Refusal::Registered)?;
                Ok(events::registered(reader))
            }
            Self::Cancel { reader } => {
                refuse_if(!state.registered, Refusal::NotRegistered)?;
                refuse_if(state.loans > 0, Refusal::HasLoans)?;
                Ok(events::canceled(reader))
            }
        }
    }

    /// The event that says that it was refused.
    pub(super) fn failed(self, refusal: Refusal) -> Draft {
        let event_type = match self {
            Self::Lend { .. } => events::LENDING_FAILED,
            Self::Return { .. } => events::RETURNING_FAILED,
            Self::Add { .. } => events::ADDING_FAILED,
            Self::Remove { .. } => events::REMOVING_FAILED,
            Self::Register { .. } => events::REGISTERING_FAILED,
            Self::Cancel { .. } => events::CANCELING_FAILED,
        };
        let ids = [self.book().map(|book| (BOOK, book)), self.reader().map(|reader| (READER, reader))];
        let ids: Vec<(&str, Uuid)> = ids.into_iter().flatten().collect();
        events::failed(event_type, &ids, refusal.reason())
    }

    fn book(self) -> Option<Uuid> {
        match self {
            Self::Lend { book, .. }
            | Self::Return { book, .. }
            | Self::Add { book }
            | Self::Remove { book } => Some(book),
            Self::Register { .. } | Self::Cancel { .. } => None,
        }
    }

    fn reader(self) -> Option<Uuid> {
        match self {
            Self::Lend { reader, .. }
            | Self::Return { reader, .. }
            | Self::Register { reader }
            | Self::Cancel { reader } => Some(reader),
            Self::Add { .. } | Self::Remove { .. } => None,
        }
    }
}

impl Refusal {
    fn reason(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::NotInCirculation => "book is not in circulation",
            Self::InCirculation => "book is in circulation already",
            Self::Lent => "book is lent",
            Self::NotLentToReader => "book is not lent to this reader",
            Self::NotRegistered => "reader is not registered",
            Self::Registered => "reader is registered already",
            Self::TooManyLoans => "reader has as many books as allowed",
            Self::HasLoans => "reader still has books",
        }
    }
}

fn refuse_if(is_so: bool, refusal: Refusal) -> Result<(), Refusal> {
    if is_so { Err(refusal) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids<const N: usize>() -> [Uuid; N] {
        std::array::from_fn(|number| Uuid::from_u128(number as u128 + 1))
    }

    fn history(events: impl IntoIterator<Item = Draft>) -> Vec<LogEvent> {
        let at = |(event, position): (Draft, u64)| {
            LogEvent::new(position, event.event_type, event.payload, event.metadata)
        };
        events.into_iter().zip(1..).map(at).collect()
    }

    /// The type of the event that a command leads to.
    fn decided(command: Command, history: &[LogEvent], desk: Desk) -> Result<&'static str, Refusal> {
        command.decide(command.state(history), desk).map(|event| event.event_type)
    }

    #[test]
    fn a_lent_book_is_lent_to_nobody_else_until_it_is_back() {
        let [book, ann, bob] = ids();
        let mut events = vec![events::added(book), events::registered(ann), events::registered(bob)];
        let lend = |reader| Command::Lend { book, reader };
        assert_eq!(decided(lend(ann), &history(events.clone()), Desk::Open), Ok(events::LENT));
        events.push(events::lent(book, ann));
        assert_eq!(decided(lend(bob), &history(events.clone()), Desk::Open), Err(Refusal::Lent));
        let remove = Command::Remove { book };
        assert_eq!(decided(remove, &history(events.clone()), Desk::Open), Err(Refusal::Lent));
        let brought_by = |reader| Command::Return { book, reader };
        let returned = decided(brought_by(bob), &history(events.clone()), Desk::Open);
        assert_eq!(returned, Err(Refusal::NotLentToReader));
        assert_eq!(decided(brought_by(ann), &history(events.clone()), Desk::Open), Ok(events::RETURNED));
        events.push(events::returned(book, ann));
        assert_eq!(decided(lend(bob), &history(events), Desk::Open), Ok(events::LENT));
    }

    #[test]
    fn a_reader_has_at_most_ten_books_and_none_when_the_contract_ends() {
        let [reader, books @ ..]: [Uuid; 12] = ids();
        let added = books.iter().map(|book| events::added(*book));
        let mut log: Vec<Draft> = added.chain([events::registered(reader)]).collect();
        assert_eq!(
            decided(Command::Cancel { reader }, &history(log.clone()), Desk::Open),
            Ok(events::CANCELED)
        );
        for book in &books[..10] {
            let lend = Command::Lend { book: *book, reader };
            assert_eq!(decided(lend, &history(log.clone()), Desk::Open), Ok(events::LENT));
            log.push(events::lent(*book, reader));
        }
        let lend = Command::Lend { book: books[10], reader };
        assert_eq!(decided(lend, &history(log.clone()), Desk::Open), Err(Refusal::TooManyLoans));
        assert_eq!(decided(Command::Cancel { reader }, &history(log), Desk::Open), Err(Refusal::HasLoans));
    }

    #[test]
    fn a_closed_library_only_takes_books_back() {
        let [lent, free, ann, bob] = ids();
        let log = history([
            events::added(lent),
            events::added(free),
            events::registered(ann),
            events::lent(lent, ann),
        ]);
        let new = Uuid::from_u128(99);
        let closed = |command| decided(command, &log, Desk::Closed);
        for command in [
            Command::Lend { book: free, reader: ann },
            Command::Add { book: new },
            Command::Remove { book: free },
            Command::Register { reader: bob },
            Command::Cancel { reader: ann },
        ] {
            assert_eq!(closed(command), Err(Refusal::Closed), "{command:?}");
        }
        assert_eq!(closed(Command::Return { book: lent, reader: ann }), Ok(events::RETURNED));
    }

    #[test]
    fn a_failure_says_what_failed_and_why_and_no_decision_rests_on_it() {
        let [book, reader] = ids();
        let lend = Command::Lend { book, reader };
        let failed = lend.failed(Refusal::Lent);
        assert_eq!(failed.event_type, "LendingBookToReaderFailed");
        let text = |field: &str| failed.payload[field].as_str().unwrap_or_default().to_owned();
        assert_eq!((text(BOOK), text(READER)), (book.to_string(), reader.to_string()));
        assert_eq!(text("Reason"), "book is lent");
        assert!(!text("OccurredAt").is_empty());
        assert!(!lend.filter().matches(failed.event_type, &failed.payload));
        let cancel = Command::Cancel { reader }.failed(Refusal::Closed);
        assert_eq!((cancel.event_type, cancel.payload.get(BOOK)), ("CancelingReaderContractFailed", None));
    }
}
