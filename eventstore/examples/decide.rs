//! A decision: read what it depends on, decide, append, and again if somebody was faster.
//!
//! ```sh
//! cargo run --example decide -- "host=localhost user=postgres dbname=postgres"
//! ```
//!
//! Without a connection string it starts a PostgreSQL server of its own, and removes it at the end.

use std::error::Error;
use std::fmt;

use eventstore::{EventStore, Filter, History, NewEvent};
use serde_json::json;

const SEATS: usize = 3;

/// What can go wrong when a seat is taken: the domain's reasons, and the store's.
#[derive(Debug)]
enum TakeError {
    SoldOut,
    Store(eventstore::Error),
}

impl From<eventstore::Error> for TakeError {
    fn from(error: eventstore::Error) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for TakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SoldOut => f.write_str("sold out"),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl Error for TakeError {}

/// The domain: nothing but a function from what happened to what happens.
fn take(history: &History, show: &str, guest: &str) -> Result<Vec<NewEvent>, TakeError> {
    if history.iter().any(|event| event.payload["Guest"] == guest) {
        return Ok(vec![]); // has one already: nothing to do
    }
    if history.len() >= SEATS {
        return Err(TakeError::SoldOut);
    }
    Ok(vec![NewEvent::new("SeatTaken", json!({"Show": show, "Guest": guest}))])
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (primary, _server) = match std::env::args().nth(1) {
        Some(connection_string) => (connection_string, None),
        None => {
            let server = testutil::Cluster::builder().start()?;
            (server.primary().dsn(), Some(server))
        }
    };
    let store = EventStore::builder().primary(primary).schema("decide").connect().await?;
    store.migrate().await?;

    let taken = Filter::event_types(["SeatTaken"]).and_all([("Show", "hamlet")]);
    for guest in ["ada", "bob", "ada", "eve", "kim"] {
        match store.decide(&taken, |history| take(history, "hamlet", guest)).await {
            Ok(Some(receipt)) => println!("{guest} has a seat, at position {}", receipt.first_position()),
            Ok(None) => println!("{guest} had a seat already"),
            Err(TakeError::SoldOut) => println!("{guest} came too late"),
            Err(error) => return Err(error.into()),
        }
    }
    store.close().await?;
    Ok(())
}
