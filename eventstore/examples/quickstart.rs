//! The first program: lend a book, once.
//!
//! ```sh
//! cargo run --example quickstart -- "host=localhost user=postgres dbname=postgres"
//! ```
//!
//! Without a connection string it starts a PostgreSQL server of its own, and removes it at the end.

use eventstore::{Consistency, EventStore, Filter, NewEvent};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (primary, _server) = match std::env::args().nth(1) {
        Some(connection_string) => (connection_string, None),
        None => {
            let server = testutil::Cluster::builder().start()?;
            (server.primary().dsn(), Some(server))
        }
    };
    let store = EventStore::builder().primary(primary).schema("quickstart").connect().await?;
    store.migrate().await?;

    // What the decision depends on: whatever happened to this book, or with this reader.
    let (book, reader) = ("the-hobbit-1", "ada");
    let lending = Filter::event_types([
        "BookCopyAddedToCirculation",
        "BookCopyLentToReader",
        "BookCopyReturnedByReader",
    ])
    .and_any([("BookID", book), ("ReaderID", reader)]);

    if store.query(&lending).limit(1).await?.is_empty() {
        store.append([NewEvent::new("BookCopyAddedToCirculation", json!({"BookID": book}))]).await?;
    }

    // Read, decide …
    let history = store.query(&lending).await?;
    let last_of_book = history.iter().rfind(|event| event.payload["BookID"] == book);
    if last_of_book.is_some_and(|event| event.event_type == "BookCopyLentToReader") {
        println!("{book} is lent already");
        return Ok(());
    }

    // … and append, on the condition that nothing of the kind has been written since.
    let lent = NewEvent::new("BookCopyLentToReader", json!({"BookID": book, "ReaderID": reader}));
    let receipt = match store.append([lent]).fail_if_matches(&lending).after(history.token()).await {
        Ok(receipt) => receipt,
        Err(error) if error.is_conflict() => {
            println!("somebody was faster: {error}");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    println!("lent {book} to {reader} at position {}", receipt.first_position());

    // Read your own write, from a replica if one has it.
    let view = store.query(&lending).consistency(Consistency::AtLeast(receipt.token())).await?;
    for event in &view {
        println!("{:>3}  {}  {}", event.position, event.event_type, event.payload);
    }
    store.close().await?;
    Ok(())
}
