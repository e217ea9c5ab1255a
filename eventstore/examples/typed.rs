//! Events as an enum of the application's own, with an older version of one of them.
//!
//! ```sh
//! cargo run --example typed -- "host=localhost user=postgres dbname=postgres"
//! ```
//!
//! Without a connection string it starts a PostgreSQL server of its own, and removes it at the end.

use eventstore::{DomainEvent, EventStore, Filter, NewEvent, UnknownTypes, Upcast};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The variant is the event type, its fields are the payload.
#[derive(Debug, Serialize, Deserialize)]
enum Lending {
    BookAdded { book: String },
    BookLentV2 { book: String, reader: String, days: u32 },
    BookReturned { book: String },
}

impl DomainEvent for Lending {
    // Before there were other terms, everything was lent for 14 days.
    const UPCASTS: &'static [Upcast] = &[Upcast::new("BookLent", "BookLentV2", |mut payload| {
        payload["days"] = 14.into();
        payload
    })];
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (primary, _server) = match std::env::args().nth(1) {
        Some(connection_string) => (connection_string, None),
        None => {
            let server = testutil::Cluster::builder().start()?;
            (server.primary().dsn(), Some(server))
        }
    };
    let store = EventStore::builder().primary(primary).schema("typed").connect().await?;
    store.migrate().await?;

    let book = || "the-hobbit-1".to_owned();
    store
        .append([
            NewEvent::of(&Lending::BookAdded { book: book() }),
            // As an older program wrote it.
            NewEvent::new("BookLent", json!({"book": book(), "reader": "ada"})),
            NewEvent::of(&Lending::BookReturned { book: book() }),
            NewEvent::of(&Lending::BookLentV2 { book: book(), reader: "bob".to_owned(), days: 7 }),
        ])
        .await?;

    // All types that the enum knows, the older ones too.
    let lending = Filter::of::<Lending>().and_all([("book", book())]);
    for event in store.query(&lending).await?.typed::<Lending>(UnknownTypes::Refuse)? {
        match event {
            Lending::BookAdded { book } => println!("{book} was added"),
            Lending::BookLentV2 { book, reader, days } => {
                println!("{book} was lent to {reader} for {days} days");
            }
            Lending::BookReturned { book } => println!("{book} came back"),
        }
    }
    store.close().await?;
    Ok(())
}
