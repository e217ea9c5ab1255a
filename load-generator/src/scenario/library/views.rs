//! What is asked of the library.

use serde_json::{Value, json};
use testutil::checker::Filter;
use uuid::Uuid;

use super::events::{self, ADDED, BOOK, BOOK_TYPES, LENT, LOAN_TYPES, READER, REMOVED, RETURNED};
use crate::engine::{View, ViewState};

/// A state with so many events on top of its snapshot is saved again: a reader hardly has as many, the library has them
/// within seconds.
const SAVE_EVERY: usize = 500;

/// The books that a reader has.
pub(super) fn loans_of(reader: Uuid) -> View {
    let filter = Filter::types(LOAN_TYPES).and_all([(READER, json!(reader))]);
    View { name: "reader_loans", filter, save_every: SAVE_EVERY, apply: apply_to_loans }
}

/// How many books there are, and how many of them are lent. Every book's events count.
pub(super) fn books_in_circulation() -> View {
    let filter = Filter::types(BOOK_TYPES);
    View { name: "books_in_circulation", filter, save_every: SAVE_EVERY, apply: apply_to_counts }
}

fn apply_to_loans(state: &mut ViewState, event_type: &str, payload: &Value) {
    let Some(book) = events::id(payload, BOOK) else { return };
    if event_type == LENT {
        state.loans.insert(book);
    } else if event_type == RETURNED {
        state.loans.remove(&book);
    }
}

fn apply_to_counts(state: &mut ViewState, event_type: &str, _: &Value) {
    match event_type {
        ADDED => state.in_circulation += 1,
        REMOVED => state.in_circulation -= 1,
        LENT => state.lent += 1,
        RETURNED => state.lent -= 1,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Draft;

    /// What a view makes of the events that it asks for.
    fn seen(view: &View, events: &[Draft]) -> ViewState {
        let mut state = ViewState::default();
        for event in events {
            if view.filter.matches(event.event_type, &event.payload) {
                (view.apply)(&mut state, event.event_type, &event.payload);
            }
        }
        state
    }

    #[test]
    fn views_show_who_has_what_and_how_much_there_is() {
        let [one, two, three, ann, bob] = [1, 2, 3, 10, 11].map(Uuid::from_u128);
        let history = [
            events::registered(ann),
            events::added(one),
            events::added(two),
            events::added(three),
            events::lent(one, ann),
            events::lent(two, bob),
            events::lent(three, ann),
            events::returned(one, ann),
            events::removed(one),
        ];
        let counts = seen(&books_in_circulation(), &history);
        assert_eq!((counts.in_circulation, counts.lent), (2, 2));
        assert_eq!(seen(&loans_of(ann), &history).loans.into_iter().collect::<Vec<_>>(), [three]);
        assert_eq!(seen(&loans_of(bob), &history).loans.into_iter().collect::<Vec<_>>(), [two]);
    }
}
