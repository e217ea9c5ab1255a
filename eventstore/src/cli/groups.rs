//! `eventstore groups`.

use eventstore::{EventStore, GroupMember, GroupStatus, ParkedEvent, Position};
use serde_json::{Value, json};

use crate::commands::start_at;
use crate::consumer_args::{GroupsCommand, ParkedArgs, ParkedCommand, ResetArgs};
use crate::{Failure, output};

pub(crate) async fn run(store: &EventStore, command: GroupsCommand) -> Result<(), Failure> {
    match command {
        GroupsCommand::List => list(store).await,
        GroupsCommand::Show { name } => show(store, &name).await,
        GroupsCommand::Reset(ResetArgs { name, to }) => {
            store.reset_group(&name, start_at(store, to).await?).await?;
            show(store, &name).await
        }
        GroupsCommand::Delete { name } => Ok(store.delete_group(&name).await?),
        GroupsCommand::Parked(ParkedCommand::List { name }) => list_parked(store, &name).await,
        GroupsCommand::Parked(ParkedCommand::Replay(args)) => {
            let positions = positions(store, &args).await?;
            output::line(json!({"replayed": store.replay_parked(&args.name, &positions).await?}))
        }
        GroupsCommand::Parked(ParkedCommand::Drop(args)) => {
            let positions = positions(store, &args).await?;
            output::line(json!({"dropped": store.drop_parked(&args.name, &positions).await?}))
        }
    }
}

async fn list(store: &EventStore) -> Result<(), Failure> {
    for status in store.groups().await? {
        output::line(group(&status))?;
    }
    Ok(())
}

async fn show(store: &EventStore, name: &str) -> Result<(), Failure> {
    let status = find(store, name).await?;
    let mut shown = group(&status);
    shown["members"] = status.members.iter().map(member).collect();
    output::line(format!("{shown:#}"))
}

async fn list_parked(store: &EventStore, name: &str) -> Result<(), Failure> {
    let parked = store.parked_events(name).await?;
    if parked.is_empty() {
        // Nothing is parked, or nobody is there.
        find(store, name).await?;
    }
    for event in &parked {
        output::line(parked_event(event))?;
    }
    Ok(())
}

async fn find(store: &EventStore, name: &str) -> Result<GroupStatus, Failure> {
    let status = store.group_status(name).await?;
    status.ok_or_else(|| Failure::NotFound(format!("there is no group {name:?}")))
}

async fn positions(store: &EventStore, args: &ParkedArgs) -> Result<Vec<Position>, Failure> {
    if args.all {
        let parked = store.parked_events(&args.name).await?;
        return Ok(parked.iter().map(|event| event.position).collect());
    }
    Ok(args.positions.iter().copied().map(Position::new).collect())
}

fn group(status: &GroupStatus) -> Value {
    json!({
        "name": status.name,
        "order": status.order,
        "checkpoint": status.checkpoint.position().get(),
        "events_behind": status.events_behind,
        "seconds_behind": status.behind.as_secs_f64(),
        "ready": status.ready,
        "leased": status.leased,
        "waiting": status.waiting,
        "parked": status.parked,
        "blocked": status.blocked,
        "members_alive": status.members.iter().filter(|member| member.is_alive).count(),
    })
}

fn member(member: &GroupMember) -> Value {
    json!({
        "member": member.label,
        "in_flight": member.in_flight,
        "beat_at": output::instant(member.beat_at),
        "alive": member.is_alive,
    })
}

fn parked_event(event: &ParkedEvent) -> Value {
    json!({
        "position": event.position.get(),
        "id": event.id.to_string(),
        "type": event.event_type,
        "attempts": event.attempts,
        "failure": event.failure,
        "parked_at": output::instant(event.parked_at),
        "waiting": event.waiting,
    })
}
