//! A projection: who has how many books. It is kept in a table, right to the event, and rebuilt beside the running one.
//!
//! ```sh
//! cargo run --example projection
//! ```
//!
//! It starts a PostgreSQL server of its own, and removes it at the end.

use std::future::IntoFuture as _;
use std::time::Duration;

use eventstore::{ApplyError, EventStore, Filter, NewEvent, Projection, RecordedEvent};
use serde_json::json;
use tokio_postgres::Transaction;

const PATIENCE: Duration = Duration::from_secs(10);

/// Books by reader; from version 2 on by reader and day, too.
struct Loans {
    version: u32,
}

impl Projection for Loans {
    fn name(&self) -> &str {
        "loans"
    }

    fn version(&self) -> u32 {
        self.version
    }

    fn filter(&self) -> Filter {
        Filter::event_types(["BookCopyLentToReader", "BookCopyReturnedByReader"])
    }

    async fn create(&self, transaction: &Transaction<'_>) -> Result<(), ApplyError> {
        let since = if self.version > 1 { ", since timestamptz" } else { "" };
        let create = format!("CREATE TABLE loans (reader text PRIMARY KEY, books bigint NOT NULL{since})");
        Ok(transaction.batch_execute(&create).await?)
    }

    async fn apply(
        &self,
        transaction: &Transaction<'_>,
        events: &[&RecordedEvent],
    ) -> Result<(), ApplyError> {
        for event in events {
            let reader = event.payload["ReaderID"].as_str().ok_or("a loan without a reader")?;
            let books: i64 = if event.event_type.as_str() == "BookCopyLentToReader" { 1 } else { -1 };
            let count = "INSERT INTO loans (reader, books) VALUES ($1, $2)
                         ON CONFLICT (reader) DO UPDATE SET books = loans.books + excluded.books";
            transaction.execute(count, &[&reader, &books]).await?;
            if self.version > 1 {
                let since = "UPDATE loans SET since = coalesce(since, $2) WHERE reader = $1";
                transaction.execute(since, &[&reader, &event.recorded_at]).await?;
            }
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = testutil::Cluster::builder().start()?;
    let store = EventStore::builder().primary(server.primary().dsn()).schema("library").connect().await?;
    store.migrate().await?;
    let reading = testutil::connect(&server.primary().dsn()).await?;
    let lent = |reader: &str| NewEvent::new("BookCopyLentToReader", json!({"ReaderID": reader}));
    let returned = |reader: &str| NewEvent::new("BookCopyReturnedByReader", json!({"ReaderID": reader}));
    store.append([lent("ada"), lent("ada"), lent("bob")]).await?;

    // Run it in some process. Any number may; one applies, the others stand by.
    let loans = store.projection(Loans { version: 1 });
    let running = tokio::spawn(loans.run().into_future());

    // Whoever has written waits until the view shows it.
    let receipt = store.append([returned("ada"), lent("eve")]).await?;
    loans.wait_for(receipt.token(), PATIENCE).await?;
    let view = loans.view_schema()?;
    for row in reading.query(&format!("SELECT reader, books FROM {view}.loans ORDER BY reader"), &[]).await? {
        println!("{} has {}", row.get::<_, &str>(0), row.get::<_, i64>(1));
    }

    // The next release has another table. It is built from the beginning of the log, and takes the old one's place when it is as far.
    let next = store.projection(Loans { version: 2 });
    let next_running = tokio::spawn(next.run().into_future());
    let ended = running.await?;
    println!("version 1 has ended: {}", ended.is_err());
    let receipt = store.append([lent("bob")]).await?;
    next.wait_for(receipt.token(), PATIENCE).await?;
    let known = "SELECT books, since IS NOT NULL FROM library_loans.loans WHERE reader = 'bob'";
    let row = reading.query_one(known, &[]).await?;
    println!("bob has {}, since a known day: {}", row.get::<_, i64>(0), row.get::<_, bool>(1));
    next_running.abort();
    Ok(store.close().await?)
}
