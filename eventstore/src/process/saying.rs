//! Saying what came of work, also where somebody locks some of its rows.

use std::collections::HashSet;
use std::time::Duration;

use uuid::Uuid;

use crate::error::Error;
use crate::process::calls::Calls;
use crate::process::work::Answer;
use crate::sqlstate::LOCK_NOT_AVAILABLE;

/// What came of that.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// What was said, whether the leases still held or not.
    pub(super) settled: Vec<Answer>,
    /// The ids for which they did.
    pub(super) held: HashSet<Uuid>,
    /// Somebody locks the rows of these.
    pub(super) locked: Vec<Answer>,
    /// What could not be said, and why.
    pub(super) failed: Option<(Vec<Answer>, Error)>,
}

/// Says it in one statement. Where that can not have all of its rows, a heartbeat, which waits for nobody, tells which: the others are settled
/// without them.
pub(super) async fn say(calls: &Calls, answers: Vec<Answer>, lease: Duration) -> Said {
    match calls.settle(&answers).await {
        Ok(held) => Said::settled(answers, held),
        Err(error) if is_locked(&error) => say_what_is_free(calls, answers, lease).await,
        Err(error) => Said::failed(answers, error),
    }
}

async fn say_what_is_free(calls: &Calls, answers: Vec<Answer>, lease: Duration) -> Said {
    let leases = answers.iter().map(|answer| (answer.id, answer.lease)).unzip();
    let still = match calls.beat(leases, lease).await {
        Ok(still) => still,
        Err(error) => return Said::failed(answers, error),
    };
    let (mut locked, free): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| still.get(&answer.id) == Some(&false));
    if free.is_empty() {
        return Said { locked, ..Said::default() };
    }
    match calls.settle(&free).await {
        Ok(held) => Said { locked, ..Said::settled(free, held) },
        // Another one by now.
        Err(error) if is_locked(&error) => {
            locked.extend(free);
            Said { locked, ..Said::default() }
        }
        Err(error) => Said { locked, ..Said::failed(free, error) },
    }
}

fn is_locked(error: &Error) -> bool {
    error.sqlstate() == Some(LOCK_NOT_AVAILABLE)
}

impl Said {
    fn settled(settled: Vec<Answer>, held: Vec<Uuid>) -> Self {
        Self { settled, held: held.into_iter().collect(), ..Self::default() }
    }

    fn failed(answers: Vec<Answer>, error: Error) -> Self {
        Self { failed: Some((answers, error)), ..Self::default() }
    }
}
