//! What was answered and is being said to the database.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};
use tracing::debug;
use uuid::Uuid;

use crate::error::{Error, ErrorKind};
use crate::group::book::{Answer, Book, Outcome};
use crate::group::calls::Calls;
use crate::group::delivery::lease_lost;
use crate::group::membership::Membership;
use crate::group::ops::Underway;
use crate::position::Position;
use crate::sqlstate::LOCK_NOT_AVAILABLE;
use crate::telemetry::GroupGauges;

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Who waits to hear that an answer was settled, if anybody does.
pub(super) type Reply = Option<oneshot::Sender<Result<(), Error>>>;

/// One call at a time; what is answered meanwhile makes up the next.
#[derive(Default)]
pub(super) struct Settling {
    answers: Vec<(Answer, Reply)>,
    pub(super) under_way: Underway<Settled>,
}

/// A call that has ended.
pub(super) struct Settled {
    answers: Vec<(Answer, Reply)>,
    result: Result<Vec<Position>, Error>,
    /// What could not be said although others could, and why: somebody keeps its row locked, say.
    unsaid: HashMap<(Position, Uuid), Error>,
    /// Whether it was sent more than once: what is not there any more may be what was done by it.
    in_doubt: bool,
}

impl Settling {
    pub(super) fn add(&mut self, answer: Answer, reply: Reply) {
        self.answers.push((answer, reply));
    }

    /// Of which nobody waits to hear.
    pub(super) fn add_all(&mut self, answers: impl IntoIterator<Item = Answer>) {
        self.answers.extend(answers.into_iter().map(|answer| (answer, None)));
    }

    pub(super) fn begin(&mut self, membership: &Membership) {
        if self.answers.is_empty() || !self.under_way.is_free() {
            return;
        }
        let (calls, answers) = (Arc::clone(&membership.calls), mem::take(&mut self.answers));
        self.under_way.begin(settle(calls, answers, membership.terms.lease));
    }
}

/// What follows from a settling.
#[derive(Default)]
pub(super) struct Told {
    /// How many events there may be at most that others could not claim before.
    pub(super) frees: usize,
    /// What is to be handed back.
    pub(super) behind: Vec<Answer>,
}

impl Settled {
    /// Tells everybody.
    pub(super) fn tell(self, book: &mut Book, gauges: &GroupGauges, keeps_order: bool) -> Told {
        let mut told = Told::default();
        let held: HashSet<Position> = self.result.iter().flatten().copied().collect();
        for (answer, reply) in self.answers {
            let unsaid = self.unsaid.get(&(answer.position, answer.lease));
            let is_said = self.result.is_ok() && unsaid.is_none();
            // Nothing is left of what was done elsewhere.
            let is_taken =
                is_said && (answer.outcome == Outcome::DoneElsewhere || held.contains(&answer.position));
            told.behind.extend(book.settled(answer.position, answer.lease, is_taken));
            told.frees += usize::from(keeps_order || !answer.outcome.is_done());
            let result = match (&self.result, unsaid) {
                (Ok(_), _) if is_taken => {
                    gauges.settles(answer.outcome.name());
                    Ok(())
                }
                (Ok(_), _) if self.in_doubt => Err(Error::new(
                    ErrorKind::Indeterminate,
                    format!(
                        "the connection died while it was said what came of the event at position {}",
                        answer.position
                    ),
                )),
                (Err(error), _) | (_, Some(error)) => Err(error.clone()),
                (Ok(_), None) => {
                    gauges.loses_lease();
                    Err(lease_lost(answer.position))
                }
            };
            match (reply, result) {
                // Who has gone need not know.
                (Some(reply), result) => drop(reply.send(result)),
                (None, Err(error)) => debug!(%error, "an event could not be handed back"),
                (None, Ok(())) => {}
            }
        }
        told
    }
}

/// Says what came of events, until the primary answers or the leases have run out. Where a row is locked, by a transaction of
/// somebody's who has said there that it is done, the others are settled without it.
async fn settle(calls: Arc<Calls>, answers: Vec<(Answer, Reply)>, patience: Duration) -> Settled {
    let told: Vec<Answer> = answers.iter().map(|(answer, _)| answer.clone()).collect();
    let (until, mut in_doubt, mut unsaid) = (Instant::now() + patience, false, HashMap::new());
    let result = match persist(&calls, &told, until, &mut in_doubt).await {
        Err(error) if error.sqlstate() == Some(LOCK_NOT_AVAILABLE) && told.len() > 1 => {
            let mut held = Vec::new();
            for one in &told {
                match persist(&calls, std::slice::from_ref(one), Instant::now(), &mut in_doubt).await {
                    Ok(taken) => held.extend(taken),
                    Err(error) => {
                        debug!(%error, position = one.position.get(), "what came of an event can not be said");
                        unsaid.insert((one.position, one.lease), error);
                    }
                }
            }
            Ok(held)
        }
        result => result,
    };
    Settled { answers, result, unsaid, in_doubt }
}

async fn persist(
    calls: &Calls,
    told: &[Answer],
    until: Instant,
    in_doubt: &mut bool,
) -> Result<Vec<Position>, Error> {
    let mut pause = FIRST_PAUSE;
    loop {
        match calls.settle(told).await {
            Err(error)
                if error.kind() == ErrorKind::Unavailable
                    && error.sqlstate() != Some(LOCK_NOT_AVAILABLE)
                    && Instant::now() + pause < until =>
            {
                debug!(%error, "what came of events is said again");
                *in_doubt = true;
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            result => return result,
        }
    }
}
