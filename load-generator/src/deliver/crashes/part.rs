//! One of the processes that are killed: a worker of the group, or the one that has the subscription.

use std::path::PathBuf;
use std::sync::Arc;

use eventstore::{ErrorKind, EventStore, Start};
use testutil::checker::{Action, Answer, Delivery, Recorder};
use tokio::io::AsyncBufReadExt as _;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::deliver::crashes::{HEARTBEAT, LEASE, NAME, NUMBERS, SCHEMA, settings};
use crate::deliver::hands::{Desk, digest, take, unrecorded};
use crate::deliver::{checked_items, connect, items};
use crate::error::RunError;

/// Events that are handled at once in one process.
const HANDS: u64 = 16;

/// What one process has to do.
#[derive(Debug, Clone)]
pub(crate) struct PartPlan {
    pub(crate) is_subscription: bool,
    pub(crate) number: u64,
    pub(crate) primary: String,
    pub(crate) replica: Option<String>,
    pub(crate) history: PathBuf,
}

/// What one process does.
pub(crate) async fn part(plan: PartPlan) -> Result<(), RunError> {
    let replicas: Vec<String> = plan.replica.into_iter().collect();
    let store = connect(&plan.primary, &replicas, SCHEMA, settings()).await?;
    let recorder = Recorder::to_file(&plan.history).map_err(RunError::io(plan.history.display()))?;
    println!("ready");
    let mut input = tokio::io::BufReader::new(tokio::io::stdin()).lines();
    let parent = async { while let Ok(Some(_)) = input.next_line().await {} };
    let working = async {
        match plan.is_subscription {
            true => subscribe(&store, &recorder, plan.number).await,
            false => work(&store, recorder, plan.number).await,
        }
    };
    tokio::select! {
        () = parent => Err(RunError::new("the run was given up")),
        ended = working => ended,
    }
}

async fn work(store: &EventStore, recorder: Recorder, number: u64) -> Result<(), RunError> {
    let group = store.consumer_group(NAME).filter(&items()).ordered_by("key").lease(LEASE);
    let worker = Arc::new(group.max_attempts(1_000).start(Start::Beginning).await?);
    let desk = Desk::new(NAME, Arc::new(recorder), u64::MAX);
    let mut hands = JoinSet::new();
    for hand in 0..HANDS {
        hands.spawn(take(Arc::clone(&worker), Arc::clone(&desk), number * NUMBERS + hand));
    }
    match hands.join_next().await {
        Some(ended) => ended.map_err(RunError::task)?.map(|_| ()),
        None => Ok(()),
    }
}

async fn subscribe(store: &EventStore, recorder: &Recorder, number: u64) -> Result<(), RunError> {
    let note = |action| {
        let pending = recorder.begin(number * NUMBERS, action).map_err(unrecorded)?;
        recorder.end(&pending, Answer::Done).map_err(unrecorded)
    };
    let mut subscription = loop {
        let subscription = store.subscription(NAME).filter(&items());
        match subscription.start(Start::Beginning).await {
            Ok(subscription) => break subscription,
            // The one that was killed counts as alive for two heartbeats.
            Err(error) if error.kind() == ErrorKind::Unavailable => sleep(HEARTBEAT / 2).await,
            Err(error) => return Err(error.into()),
        }
    };
    let (name, after) = (NAME.to_owned(), subscription.started_after().position().get());
    note(Action::Subscribed { subscription: name, filter: checked_items(), after })?;
    while let Some(batch) = subscription.next().await {
        let batch = batch?;
        for event in &batch {
            let (position, event) = (event.position.get(), digest(event));
            note(Action::Delivery(Delivery { subscription: NAME.to_owned(), position, event }))?;
        }
        match batch.commit().await {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Unavailable => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
