//! A subscription keeps a table: it sees past and new events, and goes on where it was.
//!
//! ```sh
//! cargo run --example subscribe
//! ```
//!
//! It starts a PostgreSQL server of its own, and removes it at the end.

use eventstore::{EventStore, Filter, NewEvent, Start, Subscription};
use serde_json::json;
use tokio_postgres::Client;

const TABLE: &str = "CREATE TABLE overdue (reader text PRIMARY KEY, books bigint NOT NULL)";
const COUNT: &str = "INSERT INTO overdue (reader, books) VALUES ($1, 1)
                     ON CONFLICT (reader) DO UPDATE SET books = overdue.books + 1 RETURNING books";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = testutil::Cluster::builder().start()?;
    let store = EventStore::builder().primary(server.primary().dsn()).schema("subscribe").connect().await?;
    store.migrate().await?;
    let mut client = testutil::connect(&server.primary().dsn()).await?;
    client.batch_execute(TABLE).await?;

    // What is there already …
    store.append([overdue("ada", 1), overdue("bob", 2)]).await?;
    let filter = Filter::event_types(["LoanBecameOverdue"]);
    let mut subscription = store.subscription("overdue").filter(&filter).start(Start::Beginning).await?;
    project(&mut subscription, &mut client, 2).await?;

    // … and what comes.
    store.append([overdue("ada", 3)]).await?;
    project(&mut subscription, &mut client, 1).await?;
    subscription.close().await;
    println!("closed");

    // Started again it goes on from its checkpoint; where to begin is for a new one.
    store.append([overdue("bob", 4)]).await?;
    let mut subscription = store.subscription("overdue").filter(&filter).start(Start::Beginning).await?;
    project(&mut subscription, &mut client, 1).await?;
    subscription.close().await;

    // A view that has everything up to a token is read again only if there is something newer.
    let view = store.query(&filter).await?;
    if store.query(&filter).if_newer_than(view.token()).await?.is_none() {
        println!("nothing newer than position {}", view.position());
    }
    store.append([overdue("eve", 5)]).await?;
    if let Some(newer) = store.query(&filter).if_newer_than(view.token()).await? {
        println!("{} events now, up to position {}", newer.len(), newer.position());
    }
    store.close().await?;
    Ok(())
}

fn overdue(reader: &str, book: u64) -> NewEvent {
    NewEvent::new("LoanBecameOverdue", json!({"ReaderID": reader, "BookID": book}))
}

/// Counts so many events in the table. The table and the checkpoint change in one transaction: each event counts exactly once.
async fn project(
    subscription: &mut Subscription,
    client: &mut Client,
    events: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut counted = 0;
    while counted < events {
        let batch = subscription.next().await.ok_or("the subscription has ended")??;
        let transaction = client.transaction().await?;
        for event in &batch {
            let reader = event.payload["ReaderID"].as_str().unwrap_or_default();
            let books: i64 = transaction.query_one(COUNT, &[&reader]).await?.get(0);
            println!("position {}: {reader} has {books} overdue", event.position);
        }
        batch.commit_in(&transaction).await?;
        transaction.commit().await?;
        counted += batch.len();
    }
    Ok(())
}
