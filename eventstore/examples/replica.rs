//! Reads that may be a little old go to a replica; your own writes are waited for with a token.
//!
//! ```sh
//! cargo run --example replica
//! ```
//!
//! It starts a primary and a streaming replica of its own, and removes them at the end.

use std::time::Duration;

use eventstore::{Consistency, EventStore, Filter, NewEvent, RecordedEvent};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let servers = testutil::Cluster::builder().replicas(1).start()?;
    let store = EventStore::builder()
        .primary(servers.primary().dsn())
        .replica(servers.replicas()[0].dsn()) // any number; none is fine
        .schema("replica")
        .connect()
        .await?;
    store.migrate().await?;

    let of_ada = Filter::event_types(["Deposited", "Withdrawn"]).and_all([("Account", "ada")]);
    let deposit = NewEvent::new("Deposited", json!({"Account": "ada", "Amount": 70}));
    let withdrawal = NewEvent::new("Withdrawn", json!({"Account": "ada", "Amount": 20}));
    let receipt = store.append([deposit, withdrawal]).await?;

    // Strong: what was acknowledged is there. For decisions.
    let strong = store.query(&of_ada).await?;
    println!("strong: {} events, complete up to position {}", strong.len(), strong.position());

    // At least the receipt's token: a replica that has it, else the primary. For showing users their own writes.
    let own = store.query(&of_ada).consistency(Consistency::AtLeast(receipt.token())).await?;
    println!("at least {}: {} events", receipt.last_position(), own.len());

    // Eventual: whatever the replica has, a consistent prefix of the log. For views, here folded with a snapshot.
    let balance = |sum: &mut i64, event: &RecordedEvent| {
        let amount = event.payload["Amount"].as_i64().unwrap_or_default();
        *sum += if event.event_type == "Deposited" { amount } else { -amount };
    };
    testutil::replayed(&servers.primary().dsn(), &servers.replicas()[0].dsn()).await?;
    let view = store.fold("balance", &of_ada, 0, balance).consistency(Consistency::Eventual).await?;
    println!("eventual: a balance of {}, from {} events", view.state, view.events);

    // No more than a minute old, by what the primary had: for reports.
    let recent = store.query(&of_ada).consistency(Consistency::MaxLag(Duration::from_secs(60))).await?;
    println!("at most a minute old: {} events", recent.len());

    // A session never goes back in time, whichever server answers. Its token can be handed to a browser, and back.
    let session = store.session();
    session.append([NewEvent::new("Deposited", json!({"Account": "ada", "Amount": 5}))]).await?;
    let cookie = store.token_text(session.token()).await?;
    let later = store.session();
    later.has_seen(store.parse_token(&cookie).await?);
    println!("session: {} events, by the token {cookie}", later.query(&of_ada).await?.len());
    store.close().await?;
    Ok(())
}
