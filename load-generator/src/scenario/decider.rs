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

/// What the domain says to what was read.
#[derive(Debug)]
pub(crate) enum Decision {
    /// Yes, and this is what happens.
    Append(Draft),
    /// No, and this event tells of it: on the same condition, as it rests on what was read too.
    Record(Draft),
    /// No, and nothing is written.
    Refuse,
}

/// What came of a decision, with the position of what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decided {
    Appended(u64),
    Recorded(u64),
    Refused,
}

/// Decides on what matches the filter, on the primary. The pauses between attempts are random choices too.
pub(crate) async fn decide(
    client: &mut dyn Client,
    filter: &Filter,
    random: &mut ChaCha8Rng,
    trace: &Trace,
    mut decide: impl FnMut(&[LogEvent]) -> Decision,
) -> Result<Decided, EngineError> {
    let mut pause = FIRST_PAUSE;
    for attempt in 0.. {
        let found = client.query(filter).await?;
        let (event, is_failure) = match decide(&found.events) {
            Decision::Append(event) => (event, false),
            Decision::Record(event) => (event, true),
            Decision::Refuse => return Ok(Decided::Refused),
        };
        let condition = Some(Condition { filter: filter.clone(), after: found.after });
        match client.append(Append { events: vec![event], condition }).await? {
            Appended::At(position) if is_failure => return Ok(Decided::Recorded(position)),
            Appended::At(position) => return Ok(Decided::Appended(position)),
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

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use rand::SeedableRng as _;
    use serde_json::json;

    use super::*;
    use crate::engine::{After, Found, Part};

    /// A log in which somebody else gets in between the first read and its append.
    #[derive(Default)]
    struct Contested {
        is_taken: bool,
        after: After,
        conditions: Vec<Condition>,
    }

    #[async_trait]
    impl Client for Contested {
        async fn append(&mut self, append: Append) -> Result<Appended, EngineError> {
            self.conditions.extend(append.condition);
            if self.is_taken {
                return Ok(Appended::At(42));
            }
            self.is_taken = true;
            self.after.position = 41;
            Ok(Appended::Conflict(None))
        }

        async fn query_part(&mut self, _: &Filter, _: Part) -> Result<Found, EngineError> {
            let taken = LogEvent::new(41, "Taken", json!({}), json!({}));
            let events = if self.is_taken { vec![taken] } else { Vec::new() };
            Ok(Found { events, after: self.after })
        }
    }

    async fn decided(client: &mut Contested, to_who_is_late: fn() -> Decision) -> (Decided, u64) {
        let (trace, mut random) = (Trace::default(), ChaCha8Rng::seed_from_u64(1));
        let taken = || Decision::Append(Draft::new("Taken", json!({})));
        let decision = |history: &[LogEvent]| if history.is_empty() { taken() } else { to_who_is_late() };
        let decided = decide(client, &Filter::types(["Taken"]), &mut random, &trace, decision).await.unwrap();
        (decided, trace.conflicts())
    }

    #[tokio::test]
    async fn after_a_conflict_it_is_decided_anew() {
        let mut client = Contested::default();
        let decided = decided(&mut client, || Decision::Refuse).await;
        assert_eq!(decided, (Decided::Refused, 1));
        assert_eq!(client.conditions.len(), 1, "a refusal writes nothing");
    }

    #[tokio::test]
    async fn a_failure_is_recorded_on_the_condition_of_what_was_read() {
        let mut client = Contested::default();
        let late = || Decision::Record(Draft::new("TakingFailed", json!({})));
        assert_eq!(decided(&mut client, late).await, (Decided::Recorded(42), 1));
        let after: Vec<u64> = client.conditions.iter().map(|condition| condition.after.position).collect();
        assert_eq!(after, [0, 41]);
    }
}
