//! A consumer group: two workers share the mails to readers, in the order of each reader. What fails is tried again, and parked
//! in the end.
//!
//! ```sh
//! cargo run --example group
//! ```
//!
//! It starts a PostgreSQL server of its own, and removes it at the end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eventstore::{Delivery, Error, EventStore, Filter, NewEvent, Start};
use serde_json::json;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = testutil::Cluster::builder().start()?;
    let store = EventStore::builder().primary(server.primary().dsn()).schema("group").connect().await?;
    store.migrate().await?;
    let overdue = |(reader, book): (&str, u64)| {
        NewEvent::new("LoanBecameOverdue", json!({"ReaderID": reader, "BookID": book}))
    };
    store.append([("ada", 1), ("bob", 2), ("eve", 3), ("eve", 4), ("ada", 5)].map(overdue)).await?;

    // One attempt each for books 1 and 5, three each for 2 and 3. Book 4 waits, as 3 goes to the same reader.
    share(&store, 8).await?;
    for event in store.parked_events("mailers").await? {
        println!(
            "parked at position {} after {} attempts: {}; {} waits behind it",
            event.position, event.attempts, event.failure, event.waiting
        );
        let dropped = store.drop_parked("mailers", &[event.position]).await?;
        println!("dropped {dropped}");
    }
    // Nothing is in the way of book 4 any more.
    share(&store, 1).await?;
    store.close().await?;
    Ok(())
}

/// Has two workers handle events until so many attempts were made, and prints what came of each. In earnest they are on two
/// machines, and end when their process is told to.
async fn share(store: &EventStore, attempts: usize) -> Result<(), Error> {
    let group = store
        .consumer_group("mailers")
        .filter(&Filter::event_types(["LoanBecameOverdue"]))
        .ordered_by("ReaderID")
        .max_attempts(3)
        .backoff(Duration::from_millis(10), Duration::from_millis(50));
    let (one, two) = (group.clone().start(Start::Beginning).await?, group.start(Start::Beginning).await?);

    let (made, enough) = (Arc::new(Mutex::new(BTreeMap::new())), CancellationToken::new());
    let (noted, end) = (Arc::clone(&made), enough.clone());
    let handler = move |delivery: Delivery| {
        let (noted, enough) = (Arc::clone(&noted), enough.clone());
        async move {
            let mailed = mail(&delivery).await;
            let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
            noted.insert((delivery.position, delivery.attempt()), mailed);
            if noted.len() == attempts {
                enough.cancel();
            }
            mailed
        }
    };
    let one = one.run(4, handler.clone()).until(end.clone().cancelled_owned());
    let two = two.run(4, handler).until(end.cancelled_owned());
    tokio::try_join!(one.into_future(), two.into_future())?;

    for ((position, attempt), mailed) in &*made.lock().unwrap_or_else(PoisonError::into_inner) {
        println!("position {position}, attempt {attempt}: {}", mailed.err().unwrap_or("mailed"));
    }
    Ok(())
}

/// Stands in for a mail server.
async fn mail(delivery: &Delivery) -> Result<(), &'static str> {
    match (delivery.payload["BookID"].as_u64(), delivery.attempt()) {
        (Some(2), 1 | 2) => Err("the mail server is down"),
        (Some(3), _) => Err("the letter can not be printed"),
        _ => Ok(()),
    }
}
