//! `eventstore projections`.

use eventstore::{EventStore, InlineProjection, ProjectionStatus, RecomputeStatus};
use serde_json::{Value, json};

use crate::consumer_args::{InlineCommand, ProjectionsCommand};
use crate::{Failure, output};

pub(crate) async fn run(store: &EventStore, command: ProjectionsCommand) -> Result<(), Failure> {
    match command {
        ProjectionsCommand::List => print(&store.projections().await?),
        ProjectionsCommand::Lag { name } => lag(store, &name).await,
        ProjectionsCommand::Rebuild { name } => {
            store.rebuild_projection(&name).await?;
            print(&store.projection_status(&name).await?)
        }
        ProjectionsCommand::Pause { name } => {
            store.pause_projection(&name).await?;
            print(&store.projection_status(&name).await?)
        }
        ProjectionsCommand::Resume { name } => {
            store.resume_projection(&name).await?;
            print(&store.projection_status(&name).await?)
        }
        ProjectionsCommand::Delete { name } => Ok(store.delete_projection(&name).await?),
        ProjectionsCommand::Recomputed => store.recomputes(None).await?.iter().try_for_each(print_recomputed),
        ProjectionsCommand::Recompute { name, key: Some(key) } => {
            store.recompute_key(&name, &key).await?;
            output::line(1)
        }
        ProjectionsCommand::Recompute { name, key: None } => match store.recompute_all(&name).await? {
            0 if store.recomputes(Some(&name)).await?.is_empty() => {
                Err(Failure::NotFound(format!("there is no recomputed projection {name:?}")))
            }
            keys => output::line(keys),
        },
        ProjectionsCommand::Inline(command) => inline(store, command).await,
    }
}

async fn inline(store: &EventStore, command: InlineCommand) -> Result<(), Failure> {
    match command {
        InlineCommand::List => store.inline_projections().await?.iter().try_for_each(print_inline),
        InlineCommand::Register { name, function } => {
            let after = store.register_inline_projection(&name, &function).await?;
            output::line(json!({"name": name, "after": after.get()}))
        }
        InlineCommand::Unregister { name } => Ok(store.unregister_inline_projection(&name).await?),
    }
}

fn print_recomputed(status: &RecomputeStatus) -> Result<(), Failure> {
    output::line(json!({
        "name": status.name,
        "keys": status.keys,
        "due": status.due,
        "running": status.running,
        "failing": status.failing,
        "oldest_wait_seconds": status.oldest_wait.as_secs_f64(),
        "checkpoint": status.checkpoint.position().get(),
        "events_behind": status.events_behind,
        "run_by": status.run_by,
        "alive": status.is_alive,
        "failed_key": status.failure.as_ref().map(|failure| &failure.key),
        "failed_attempts": status.failure.as_ref().map(|failure| failure.attempts),
        "failed_by": status.failure.as_ref().map(|failure| &failure.why),
    }))
}

fn print_inline(inline: &InlineProjection) -> Result<(), Failure> {
    output::line(json!({
        "name": inline.name,
        "function": inline.function,
        "callable": inline.is_callable,
        "after": inline.after.get(),
        "registered_at": output::instant(inline.registered_at),
    }))
}

async fn lag(store: &EventStore, name: &str) -> Result<(), Failure> {
    let generations = store.projection_status(name).await?;
    if generations.is_empty() {
        return Err(Failure::NotFound(format!("there is no projection {name:?}")));
    }
    for generation in &generations {
        output::line(json!({
            "generation": generation.generation,
            "live": generation.is_live,
            "events_behind": generation.events_behind,
            "seconds_behind": generation.behind.as_secs_f64(),
            "seconds_remaining": generation.remaining().map(|remaining| remaining.as_secs_f64().round()),
        }))?;
    }
    Ok(())
}

fn print(generations: &[ProjectionStatus]) -> Result<(), Failure> {
    generations.iter().try_for_each(|status| output::line(generation(status)))
}

fn generation(status: &ProjectionStatus) -> Value {
    json!({
        "name": status.name,
        "generation": status.generation,
        "version": status.version,
        "live": status.is_live,
        "paused": status.is_paused,
        "checkpoint": status.checkpoint.position().get(),
        "events_behind": status.events_behind,
        "seconds_behind": status.behind.as_secs_f64(),
        "run_by": status.run_by,
        "alive": status.is_alive,
        "stopped_at": status.failure.as_ref().map(|failure| failure.position.get()),
        "stopped_by": status.failure.as_ref().map(|failure| &failure.why),
    })
}
