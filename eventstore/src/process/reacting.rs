//! Reacting to events, as a member of the process's consumer group.

use std::sync::Arc;

use serde_json::Value;

use crate::error::Error;
use crate::event::RecordedEvent;
use crate::filter::{FieldValue, Path};
use crate::group::Delivery;
use crate::patience::patiently;
use crate::process::calls::{Calls, Cause};
use crate::process::definition::{Process, ProcessError};
use crate::process::handling::scalar;
use crate::process::manager::ProcessManager;

pub(super) struct Reacting<P> {
    manager: ProcessManager<P>,
    calls: Arc<Calls>,
    correlated_by: Path,
}

impl<P: Process> Reacting<P> {
    pub(super) fn new(manager: &ProcessManager<P>, calls: Arc<Calls>) -> Result<Self, Error> {
        let correlated_by = Path::parse(manager.process.correlated_by())?;
        Ok(Self { manager: manager.clone(), calls, correlated_by })
    }

    /// Writes what follows from an event, together with its end.
    pub(super) async fn react(&self, delivery: Delivery) -> Result<(), ProcessError> {
        let key = self.key(&delivery)?;
        let state = patiently(|| self.manager.state(key.clone(), Some(delivery.position))).await?;
        let reaction = self.manager.process.react(&state, &delivery)?;
        // Then it is done with others, in one statement.
        if reaction.is_none() {
            return Ok(());
        }
        reaction.check(self.manager.store.settings().max_payload_bytes)?;
        let (group, lease) = delivery.lease();
        let cause = Cause::Event { group, position: delivery.position, id: delivery.id.uuid(), lease };
        let key = key_json(&key);
        if patiently(|| self.calls.react(cause, &key, &reaction)).await? {
            self.manager.news.send_replace(());
            delivery.is_done_elsewhere();
        } else {
            // It was settled before, or somebody else has it: saying that it is done tells.
            delivery.may_be_done_elsewhere();
        }
        Ok(())
    }

    fn key(&self, event: &RecordedEvent) -> Result<FieldValue, ProcessError> {
        let mut found = Vec::new();
        self.correlated_by.any(&event.payload, &mut |value| {
            found.extend(scalar(value));
            false
        });
        found.dedup();
        let (path, event_type) = (self.correlated_by.canonical(), &event.event_type);
        if found.len() > 1 {
            return Err(format!(
                "the event ({event_type}) has several values at {path:?}, and belongs to no instance"
            )
            .into());
        }
        found.pop().ok_or_else(|| {
            format!("the event ({event_type}) has no string, integer or boolean at {path:?}, which names the instance").into()
        })
    }
}

fn key_json(key: &FieldValue) -> Value {
    serde_json::from_str(&key.to_json()).expect("a value of a field is JSON")
}
