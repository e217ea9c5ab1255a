//! `eventstore subscriptions`.

use eventstore::{EventStore, SubscriptionStatus};
use serde_json::{Value, json};

use crate::commands::start_at;
use crate::consumer_args::{ResetArgs, SubscriptionsCommand};
use crate::{Failure, output};

pub(crate) async fn run(store: &EventStore, command: SubscriptionsCommand) -> Result<(), Failure> {
    match command {
        SubscriptionsCommand::List => list(store).await,
        SubscriptionsCommand::Show { name } => show(store, &name).await,
        SubscriptionsCommand::Reset(ResetArgs { name, to }) => {
            store.reset_subscription(&name, start_at(store, to).await?).await?;
            show(store, &name).await
        }
        SubscriptionsCommand::Delete { name } => Ok(store.delete_subscription(&name).await?),
    }
}

async fn list(store: &EventStore) -> Result<(), Failure> {
    for status in store.subscriptions().await? {
        output::line(subscription(&status))?;
    }
    Ok(())
}

async fn show(store: &EventStore, name: &str) -> Result<(), Failure> {
    let status = store.subscription_status(name).await?;
    let status = status.ok_or_else(|| Failure::NotFound(format!("there is no subscription {name:?}")))?;
    output::line(format!("{:#}", subscription(&status)))
}

fn subscription(status: &SubscriptionStatus) -> Value {
    json!({
        "name": status.name,
        "checkpoint": status.checkpoint.position().get(),
        "committed_at": output::instant(status.committed_at),
        "events_behind": status.events_behind,
        "seconds_behind": status.behind.as_secs_f64(),
        "held_by": status.held_by,
        "beat_at": status.beat_at.map(output::instant),
        "alive": status.is_alive,
    })
}
