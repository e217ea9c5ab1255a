//! How the scenario's decisions are carried out: read, decide, append, and again on conflict.

use std::time::Duration;

use eventstore::{Error, EventStore, Filter, NewEvent, RecordedEvent};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use crate::scenario::Trace;

/// How often a decision that met a conflict is made again.
const RETRIES: u32 = 6;
/// The pause before the first of them; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// By how much a pause may be longer or shorter, so that two that met do not meet again.
const JITTER: f64 = 0.3;

/// The store under load.
#[derive(Debug)]
pub(crate) struct Decider {
    store: EventStore,
}

/// What came of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decided {
    Appended,
    /// The domain said no, or there was nothing to write.
    Nothing,
}

impl Decider {
    pub(crate) fn new(store: EventStore) -> Self {
        Self { store }
    }

    pub(crate) fn store(&self) -> &EventStore {
        &self.store
    }

    /// Decides on what matches the filter, on the primary. The pauses between attempts are random choices too.
    pub(crate) async fn decide(
        &self,
        filter: &Filter,
        random: &mut ChaCha8Rng,
        trace: &Trace,
        mut decide: impl FnMut(&[RecordedEvent]) -> Option<NewEvent>,
    ) -> Result<Decided, Error> {
        let mut pause = FIRST_PAUSE;
        for attempt in 0.. {
            let history = self.store.query(filter).await?;
            let Some(event) = decide(&history) else { return Ok(Decided::Nothing) };
            match self.store.append([event]).fail_if_matches(filter).after(history.token()).await {
                Ok(_) => return Ok(Decided::Appended),
                Err(error) if error.is_conflict() => {
                    trace.conflict();
                    if attempt == RETRIES {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
            let jitter = random.random_range(1.0 - JITTER..=1.0 + JITTER);
            tokio::time::sleep(pause.mul_f64(jitter)).await;
            pause *= 2;
            trace.retry();
        }
        unreachable!("the last attempt returns")
    }
}
