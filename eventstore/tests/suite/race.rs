//! Of many that race with one condition exactly one wins: across tasks, handles, processes, and inside one batch.

use std::collections::HashMap;
use std::future::IntoFuture as _;

use eventstore::{
    Append, AppendCondition, Error, ErrorKind, EventStore, Filter, NewEvent, Position, Receipt,
};
use futures_util::future::join_all;
use serde_json::json;

use crate::fixture::Log;
use crate::process::{self, Role};

const SEATS: u64 = 500;
const RACERS: usize = 64;

fn nobody_has(seat: u64) -> Filter {
    Filter::event_types(["SeatTaken"]).and_all([("Seat", seat)])
}

fn taken(seat: u64, racer: usize) -> NewEvent {
    NewEvent::new("SeatTaken", json!({"Seat": seat, "Racer": racer}))
}

async fn take(store: &EventStore, seat: u64, racer: usize) -> Result<Receipt, Error> {
    store.append([taken(seat, racer)]).fail_if_matches(&nobody_has(seat)).await
}

/// Who won which seat, and whom the losers were told it was.
#[derive(Default)]
struct Outcome {
    won: HashMap<u64, u64>,
    lost: Vec<(u64, u64)>,
}

impl Outcome {
    fn note(&mut self, seat: u64, result: Result<Receipt, Error>) {
        match result {
            Ok(receipt) => {
                let before = self.won.insert(seat, receipt.first_position().get());
                assert_eq!(before, None, "seat {seat} was sold twice");
            }
            Err(error) => {
                let conflict = error.conflict().unwrap_or_else(|| panic!("not a conflict: {error}"));
                self.lost.push((seat, conflict.position.get()));
            }
        }
    }

    fn merge(&mut self, other: Self) {
        for (seat, position) in other.won {
            assert_eq!(self.won.insert(seat, position), None, "seat {seat} was sold twice");
        }
        self.lost.extend(other.lost);
    }

    async fn check(self, store: &EventStore, attempts: usize) {
        assert_eq!(self.won.len() as u64, SEATS);
        assert_eq!(self.won.len() + self.lost.len(), attempts);
        for (seat, position) in &self.lost {
            assert_eq!(self.won[seat], *position, "the loser of seat {seat} was told another position");
        }
        let mut positions: Vec<_> = self.won.values().copied().collect();
        positions.sort_unstable();
        assert_eq!(positions, (1..=SEATS).collect::<Vec<_>>());
        assert_eq!(store.head().await.unwrap().position().get(), SEATS);
    }
}

/// Every racer tries every seat, each beginning at another one.
async fn fight(store: EventStore, racers: std::ops::Range<usize>) -> Outcome {
    let tasks = racers.map(|racer| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut outcome = Outcome::default();
            for step in 0..SEATS {
                // Neighbours in pairs, so that the same seat is fought for at the same time.
                let seat = (step + (racer as u64 / 8) * 60) % SEATS;
                outcome.note(seat, take(&store, seat, racer).await);
            }
            outcome
        })
    });
    let mut all = Outcome::default();
    for outcome in join_all(tasks).await {
        all.merge(outcome.unwrap());
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_tasks_over_three_handles_sell_each_seat_once() {
    let log = Log::new().await;
    let handles = [log.store.clone(), log.handle().await, log.handle().await];
    let fights = handles
        .into_iter()
        .enumerate()
        .map(|(nth, store)| tokio::spawn(fight(store, nth * RACERS / 3..(nth + 1) * RACERS / 3)));
    let mut outcome = Outcome::default();
    for fight in join_all(fights).await {
        outcome.merge(fight.unwrap());
    }
    outcome.check(&log.store, RACERS * SEATS as usize).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_processes_sell_each_seat_once() {
    if let Some(role) = Role::of_this_process() {
        let store = role.store().await;
        let outcome = fight(store, role.number * RACERS / 3..(role.number + 1) * RACERS / 3).await;
        let won = outcome.won.iter().map(|(seat, position)| format!("won {seat} {position}\n"));
        let lost = outcome.lost.iter().map(|(seat, position)| format!("lost {seat} {position}\n"));
        println!("\n{}", won.chain(lost).collect::<String>());
        return;
    }
    let log = Log::new().await;
    let test = "race::three_processes_sell_each_seat_once";
    let children = (0..3).map(|n| process::start(test, n, log.schema.primary(), log.schema.name()));
    let mut outcome = Outcome::default();
    for output in join_all(children.map(process::output)).await {
        let mut of_child = Outcome::default();
        for line in output.lines() {
            match *line.split(' ').collect::<Vec<_>>() {
                ["won", seat, position] => {
                    assert!(of_child.won.insert(seat.parse().unwrap(), position.parse().unwrap()).is_none());
                }
                ["lost", seat, position] => {
                    of_child.lost.push((seat.parse().unwrap(), position.parse().unwrap()));
                }
                _ => {}
            }
        }
        outcome.merge(of_child);
    }
    outcome.check(&log.store, RACERS * SEATS as usize).await;
}

/// Runs appends so that they are sent in one batch: the log's lock is held until all of them wait.
async fn in_one_batch(log: &Log, appends: Vec<Append>) -> Vec<Result<Receipt, Error>> {
    let lock = log.hold_lock().await;
    // This one keeps the writer busy.
    let store = log.store.clone();
    let ahead = tokio::spawn(async move { store.append([NewEvent::new("Ahead", json!({}))]).await });
    lock.is_waited_for().await;
    let mut futures: Vec<_> = appends.into_iter().map(|append| Box::pin(append.into_future())).collect();
    for future in &mut futures {
        assert!(futures_util::poll!(future).is_pending());
    }
    lock.release().await;
    ahead.await.unwrap().unwrap();
    join_all(futures).await
}

/// How many transactions wrote the events of a type.
async fn transactions(log: &Log, event_type: &str) -> i64 {
    let statement = format!(
        "SELECT count(DISTINCT xmin::text) FROM {}.events WHERE event_type = '{event_type}'",
        log.schema.name()
    );
    log.sql().await.query_one(&statement, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn winner_and_loser_in_one_batch() {
    let log = Log::new().await;
    let filters: Vec<_> = (0..20).map(nobody_has).collect();
    let appends = (0..3).flat_map(|racer| {
        let (log, filters) = (&log, &filters);
        (0..20)
            .map(move |seat| log.store.append([taken(seat, racer)]).fail_if_matches(&filters[seat as usize]))
    });
    let results = in_one_batch(&log, appends.collect()).await;
    assert_eq!(transactions(&log, "SeatTaken").await, 1, "all winners were in one batch");
    let (winners, losers) = results.split_at(20);
    for (seat, winner) in winners.iter().enumerate() {
        let position = winner.as_ref().unwrap().first_position();
        for loser in [&losers[seat], &losers[20 + seat]] {
            assert_eq!(loser.as_ref().unwrap_err().conflict().unwrap().position, position);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn if_the_one_in_front_is_refused_the_next_wins() {
    let log = Log::new().await;
    log.store.append([NewEvent::new("Closed", json!({}))]).await.unwrap();
    let (seat, closed) = (nobody_has(1), Filter::event_types(["Closed"]));
    let refused = log.store.append([taken(1, 0)]).fail_if_matches(&seat);
    let results = in_one_batch(
        &log,
        vec![
            refused.condition(AppendCondition::fail_if_matches(&closed)),
            log.store.append([taken(9, 9), taken(1, 1)]).fail_if_matches(&seat),
            log.store.append([taken(1, 2)]).fail_if_matches(&seat),
            log.store.append([taken(2, 3)]).fail_if_matches(&nobody_has(2)),
        ],
    )
    .await;
    assert_eq!(transactions(&log, "SeatTaken").await, 1);
    let first = results[0].as_ref().unwrap_err().conflict().unwrap();
    assert_eq!((first.position, first.condition), (Position::new(1), 1));
    assert_eq!(results[1].as_ref().unwrap().positions().collect::<Vec<_>>(), [3, 4].map(Position::new));
    assert_eq!(results[2].as_ref().unwrap_err().conflict().unwrap().position, Position::new(4));
    assert!(results[3].is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_event_twice_at_once_is_stored_once() {
    let log = Log::new().await;
    let event = taken(1, 0);
    let appends = (0..3)
        .map(|_| log.store.append([event.clone()]).fail_if_matches(&Filter::event_types(["SeatTaken"])));
    let results = in_one_batch(&log, appends.collect()).await;
    let receipts: Vec<_> = results.into_iter().map(Result::unwrap).collect();
    assert!(receipts.iter().all(|receipt| receipt.token() == receipts[0].token()));
    assert_eq!(receipts.iter().filter(|receipt| !receipt.is_repeated()).count(), 1);
    assert_eq!(log.store.head().await.unwrap().position().get(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_request_fails_alone() {
    let log = Log::new().await;
    // What the server alone knows to be wrong: a constraint of the operator's.
    let constraint =
        format!("ALTER TABLE {}.events ADD CHECK (payload ->> 'Seat' <> '2')", log.schema.name());
    log.sql().await.batch_execute(&constraint).await.unwrap();
    let appends = (1..=3).map(|seat| log.store.append([taken(seat, 0), taken(seat, 1)]));
    let results = in_one_batch(&log, appends.collect()).await;
    assert_eq!(results[1].as_ref().unwrap_err().kind(), ErrorKind::Invalid);
    let kept: Vec<_> =
        [0, 2].iter().map(|nth| results[*nth].as_ref().unwrap().first_position().get()).collect();
    assert_eq!(kept, [2, 4]);
    assert_eq!(log.store.head().await.unwrap().position().get(), 5);
}
