//! How the scenario's decisions are carried out: read, decide, append, and again on conflict.

use std::time::Duration;

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use testutil::checker::{Filter, LogEvent};

use crate::engine::{Append, Appended, Client, Condition, Draft, EngineError};
use crate::scenario::Trace;

/// How often a decision that met a conflict is made again.
const RETRIES: u32 = 6;
/// The pause before the first of them; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// By how much a pause may be longer or shorter, so that two that met do not meet again.
const JITTER: f64 = 0.3;

/// What came of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decided {
    Appended,
    /// The domain said no, or there was nothing to write.
    Nothing,
}

/// Decides on what matches the filter, on the primary. The pauses between attempts are random choices too.
pub(crate) async fn decide(
    client: &mut dyn Client,
    filter: &Filter,
    random: &mut ChaCha8Rng,
    trace: &Trace,
    mut decide: impl FnMut(&[LogEvent]) -> Option<Draft>,
) -> Result<Decided, EngineError> {
    let mut pause = FIRST_PAUSE;
    for attempt in 0.. {
        let found = client.query(filter).await?;
        let Some(event) = decide(&found.events) else { return Ok(Decided::Nothing) };
        let condition = Some(Condition { filter: filter.clone(), after: found.after });
        match client.append(Append { events: vec![event], condition }).await? {
            Appended::At(_) => return Ok(Decided::Appended),
            Appended::Conflict(_) => trace.conflict(),
        }
        if attempt == RETRIES {
            return Err(EngineError::conflict());
        }
        let jitter = random.random_range(1.0 - JITTER..=1.0 + JITTER);
        tokio::time::sleep(pause.mul_f64(jitter)).await;
        pause *= 2;
        trace.retry();
    }
    unreachable!("the last attempt returns")
}
