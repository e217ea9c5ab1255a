//! `eventstore processes`.

use eventstore::{EventStore, ParkedWork, ProcessStatus};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::consumer_args::{ProcessesCommand, WorkArgs};
use crate::{Failure, output};

pub(crate) async fn run(store: &EventStore, command: ProcessesCommand) -> Result<(), Failure> {
    match command {
        ProcessesCommand::List => {
            store.processes().await?.iter().try_for_each(|status| output::line(process(status)))
        }
        ProcessesCommand::Parked { name, limit } => list_parked(store, &name, limit).await,
        ProcessesCommand::Replay(args) => {
            let ids = ids(store, &args).await?;
            output::line(json!({"replayed": store.replay_parked_work(&args.name, &ids).await?}))
        }
        ProcessesCommand::Drop(args) => {
            let ids = ids(store, &args).await?;
            output::line(json!({"dropped": store.drop_parked_work(&args.name, &ids).await?}))
        }
    }
}

async fn list_parked(store: &EventStore, name: &str, limit: u32) -> Result<(), Failure> {
    let parked = store.parked_work(name, limit).await?;
    if parked.is_empty() {
        // Nothing is parked, or there never was such a process.
        find(store, name).await?;
    }
    parked.iter().try_for_each(|work| output::line(parked_work(work)))
}

async fn ids(store: &EventStore, args: &WorkArgs) -> Result<Vec<Uuid>, Failure> {
    find(store, &args.name).await?;
    if args.all {
        let parked = store.parked_work(&args.name, u32::MAX).await?;
        return Ok(parked.iter().map(|work| work.id).collect());
    }
    Ok(args.ids.clone())
}

/// One that has nothing to do is known by its group alone, and one whose group was deleted by what it has to do.
async fn find(store: &EventStore, name: &str) -> Result<(), Failure> {
    let has_group = store.group_status(&format!("process/{name}")).await?.is_some();
    if has_group || store.processes().await?.iter().any(|status| status.name == name) {
        return Ok(());
    }
    Err(Failure::NotFound(format!("there is no process {name:?}")))
}

fn process(status: &ProcessStatus) -> Value {
    json!({
        "name": status.name,
        "commands": status.commands,
        "started": status.started,
        "wake_ups": status.wake_ups,
        "leased": status.leased,
        "parked": status.parked,
        "seconds_behind": status.behind.as_secs_f64(),
    })
}

fn parked_work(work: &ParkedWork) -> Value {
    json!({
        "id": work.id.to_string(),
        "kind": work.kind,
        "name": work.name,
        "key": work.key,
        "cause": work.cause.get(),
        "attempts": work.attempts,
        "failure": work.failure,
        "parked_at": output::instant(work.parked_at),
    })
}
