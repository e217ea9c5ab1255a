//! What a book keeps, and in which order it hands it over.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::*;
use crate::event::{EventId, EventType};

fn claimed(position: u64, head: u64, lease: Uuid) -> Claimed {
    let event = RecordedEvent {
        position: Position::new(position),
        id: EventId::generate(),
        event_type: EventType::stored("T"),
        occurred_at: OffsetDateTime::UNIX_EPOCH,
        recorded_at: OffsetDateTime::UNIX_EPOCH,
        payload: json!({}),
        metadata: Value::Null,
    };
    Claimed { event, head: Position::new(head), attempt: 1, lease }
}

/// Positions 1 to 3 of one key, and 4 of none.
fn book(lease: Uuid) -> Book {
    let mut book = Book::default();
    let all = [(1, 1), (2, 1), (3, 1), (4, 4)].map(|(position, head)| claimed(position, head, lease));
    assert_eq!(book.add(all.into()), (0, Vec::new()));
    book
}

fn handed(book: &mut Book) -> Option<u64> {
    book.hand_over().map(|(claimed, _)| claimed.event.position.get())
}

fn positions(answers: &[Answer]) -> Vec<u64> {
    answers.iter().map(|answer| answer.position.get()).collect()
}

#[test]
fn the_next_of_a_key_is_ready_when_the_one_before_is_settled() {
    let (lease, at) = (Uuid::now_v7(), Position::new);
    let mut book = book(lease);
    assert_eq!([handed(&mut book), handed(&mut book), handed(&mut book)], [Some(1), Some(4), None]);
    assert_eq!(positions(&book.answer(at(1), lease, Outcome::Done)), [1]);
    assert_eq!(handed(&mut book), None, "not before it is settled");
    assert!(book.answer(at(1), lease, Outcome::Done).is_empty(), "answered already");
    assert_eq!(book.settled(at(1), lease, true), []);
    assert_eq!(handed(&mut book), Some(2));
    assert_eq!(book.in_flight(), 2);
}

#[test]
fn what_is_done_elsewhere_has_the_next_of_its_key_follow() {
    let (lease, at) = (Uuid::now_v7(), Position::new);
    let mut book = book(lease);
    handed(&mut book);
    assert_eq!(positions(&book.answer(at(1), lease, Outcome::DoneElsewhere)), [1]);
    assert_eq!(book.settled(at(1), lease, true), []);
    assert_eq!([handed(&mut book), handed(&mut book)], [Some(4), Some(2)]);
}

#[test]
fn what_fails_or_is_refused_takes_those_behind_it_along() {
    let (lease, at) = (Uuid::now_v7(), Position::new);
    let mut failed = book(lease);
    handed(&mut failed);
    let why = Outcome::Parked { why: String::new() };
    assert_eq!(positions(&failed.answer(at(1), lease, why)), [1, 2, 3]);
    let mut refused = book(lease);
    handed(&mut refused);
    refused.answer(at(1), lease, Outcome::Done);
    assert_eq!(positions(&refused.settled(at(1), lease, false)), [2, 3]);
    let mut lost = book(lease);
    handed(&mut lost);
    assert_eq!(lost.lost(at(1), Uuid::now_v7()), (false, Vec::new()), "of another claim");
    let (is_news, behind) = lost.lost(at(1), lease);
    assert_eq!((is_news, positions(&behind)), (true, vec![2, 3]));
}

#[test]
fn what_is_claimed_again_takes_the_place_of_what_was_there() {
    let (before, now, at) = (Uuid::now_v7(), Uuid::now_v7(), Position::new);
    let mut book = book(before);
    let (_, given_up) = book.hand_over().unwrap();
    let again = [(1, 1), (2, 1), (3, 1), (4, 4)].map(|(position, head)| claimed(position, head, now));
    assert_eq!(book.add(again.into()), (4, Vec::new()), "nothing is handed back that was claimed again");
    assert!(given_up.is_cancelled(), "whoever has the first is told");
    assert_eq!((book.ready(), book.in_flight()), (2, 0), "each is to be handed over once");
    assert!(book.answer(at(1), before, Outcome::Done).is_empty(), "of the lease that was lost");
    let mut came = Vec::new();
    while let Some((claimed, lost)) = book.hand_over() {
        let (position, lease) = (claimed.event.position, claimed.lease);
        assert!(lease == now && !lost.is_cancelled());
        book.answer(position, lease, Outcome::Done);
        assert_eq!(book.settled(position, lease, true), []);
        came.push(position.get());
    }
    assert_eq!(came, [1, 4, 2, 3], "in their order, to the last");
    assert_eq!(book.leases(Duration::from_secs(60)), (Vec::new(), Vec::new()), "nothing is held for ever");
}

#[test]
fn what_was_behind_and_is_not_claimed_again_is_handed_back() {
    let (before, now, at) = (Uuid::now_v7(), Uuid::now_v7(), Position::new);
    let mut book = book(before);
    handed(&mut book);
    let (lost, behind) = book.add(vec![claimed(1, 1, now), claimed(2, 1, now)]);
    assert_eq!((lost, positions(&behind), behind[0].lease), (2, vec![3], before));
    assert_eq!([handed(&mut book), handed(&mut book), handed(&mut book)], [Some(4), Some(1), None]);
    book.answer(at(1), now, Outcome::Done);
    book.settled(at(1), now, true);
    assert_eq!([handed(&mut book), handed(&mut book)], [Some(2), None]);
}

#[test]
fn leases_last_while_nobody_has_an_event_and_for_as_long_as_it_may_take() {
    let lease = Uuid::now_v7();
    let mut book = book(lease);
    handed(&mut book);
    let count = |book: &Book, limit| book.leases(limit).0.len();
    assert_eq!((count(&book, Duration::from_secs(60)), count(&book, Duration::ZERO)), (4, 3));
    let mut released = positions(&book.release_all());
    released.sort_unstable();
    assert_eq!((released, count(&book, Duration::from_secs(60))), (vec![1, 2, 3, 4], 0));
}
