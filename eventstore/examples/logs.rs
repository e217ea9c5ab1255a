//! More writes than one server takes: several logs on several clusters, and a choice of the application's between them.
//!
//! ```sh
//! cargo run --example logs
//! ```
//!
//! It starts two primaries of its own, and removes them at the end.

use std::collections::BTreeMap;

use eventstore::{Error, EventStore, Filter, NewEvent};
use serde_json::json;

/// Which log a country's events are in. What is decided together is in one log: a condition is never across two.
struct Logs(BTreeMap<String, EventStore>);

impl Logs {
    async fn connect(clusters: impl IntoIterator<Item = (&str, String)>) -> Result<Self, Error> {
        let mut logs = BTreeMap::new();
        for (country, primary) in clusters {
            let store = EventStore::builder().primary(primary).schema("orders").connect().await?;
            store.migrate().await?;
            logs.insert(country.to_owned(), store);
        }
        Ok(Self(logs))
    }

    fn of(&self, country: &str) -> Result<&EventStore, String> {
        self.0.get(country).ok_or_else(|| format!("there is no log for {country}"))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let servers = [testutil::Cluster::builder().start()?, testutil::Cluster::builder().start()?];
    let [at, ch] = servers.each_ref().map(|cluster| cluster.primary().dsn());
    let logs = Logs::connect([("AT", at), ("CH", ch)]).await?;

    // Each has its own order: both orders are the first.
    let mut tokens = Vec::new();
    for (country, number) in [("AT", 1), ("CH", 1), ("AT", 2)] {
        let store = logs.of(country)?;
        let same_number = Filter::event_types(["Ordered"]).and_all([("Number", number)]);
        let order = NewEvent::new("Ordered", json!({"Number": number}));
        let receipt = store.append([order]).fail_if_matches(&same_number).await?;
        println!("order {number} of {country} is at position {}", receipt.first_position());
        tokens.push((store, receipt.token()));
    }

    // A token is of its log, and so is its text.
    let (austria, token) = &tokens[0];
    let refused = logs.of("CH")?.query(&Filter::all()).after(*token).await;
    println!(
        "in the other log its token is {}",
        refused.map_or_else(|error| error.kind().to_string(), |_| "good".to_owned())
    );
    let text = austria.token_text(*token).await?;
    let refused = logs.of("CH")?.parse_token(&text).await;
    println!("and its text {}", refused.map_or_else(|error| error.kind().to_string(), |_| "good".to_owned()));

    for store in logs.0.values() {
        store.close().await?;
    }
    Ok(())
}
