//! What the injector knows of the clients, and their store.

use std::sync::Arc;
use std::time::{Duration, Instant};

use eventstore::EventStore;
use prometheus::Registry;
use testutil::checker::{Action, Answer, Recorder};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::chaos::GIVE_UP;
use crate::chaos::progress::Progress;
use crate::error::RunError;

/// How often the store is asked for what it does not tell by itself.
const POLL: Duration = Duration::from_millis(2);

pub(super) struct Clients {
    pub(super) store: EventStore,
    /// The metrics of the store.
    pub(super) registry: Registry,
    pub(super) recorder: Arc<Recorder>,
    pub(super) progress: Arc<Progress>,
    /// How many losses the store has told that are recorded.
    pub(super) losses: f64,
    /// How many appends were acknowledged.
    pub(super) acknowledged: watch::Receiver<u64>,
    /// How many appends were refused or have no answer.
    pub(super) refused: watch::Receiver<u64>,
    pub(super) count: u64,
}

impl Clients {
    /// Until so many more appends are acknowledged.
    pub(super) async fn advance(&mut self, by: u64) -> Result<(), RunError> {
        let until = *self.acknowledged.borrow_and_update() + by;
        let advanced = self.acknowledged.wait_for(|acknowledged| *acknowledged >= until);
        match tokio::time::timeout(GIVE_UP, advanced).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(RunError::new("all clients have ended")),
            Err(_) => Err(RunError::new(format!(
                "no append was acknowledged for {GIVE_UP:?}: the store did not come back"
            ))),
        }
    }

    /// Until the store reads a replica, or does not read it any more.
    pub(super) async fn see_replica(&self, port: u16, in_rotation: bool) -> Result<(), RunError> {
        let name = format!("replica 127.0.0.1:{port}");
        let began = Instant::now();
        let mut poll = interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while began.elapsed() < GIVE_UP {
            poll.tick().await;
            let health = self.store.health().await;
            if health
                .replicas
                .iter()
                .any(|replica| replica.server == name && replica.in_rotation == in_rotation)
            {
                return Ok(());
            }
        }
        let what = if in_rotation { "back in" } else { "out of" };
        Err(RunError::new(format!("{name} was not {what} the rotation within {GIVE_UP:?}")))
    }

    /// Records a loss that the store has told by its metrics since the last time; whether there was one.
    pub(super) fn note_loss(&mut self) -> Result<bool, RunError> {
        let told = self.metric("eventstore_history_losses_total");
        if told <= std::mem::replace(&mut self.losses, told) {
            return Ok(false);
        }
        // Positions are far below where floating point leaves any out.
        let position = self.metric("eventstore_history_lost_from_position") as u64;
        let recorded = self.recorder.begin(0, Action::Loss { position });
        let recorded = recorded.and_then(|pending| self.recorder.end(&pending, Answer::Done));
        recorded.map(|()| true).map_err(RunError::io("recording"))
    }

    /// What a metric of the store that has one value says.
    fn metric(&self, name: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name);
        family
            .and_then(|family| family.get_metric().first())
            .map_or(0.0, |metric| metric.get_gauge().get_value() + metric.get_counter().get_value())
    }
}
