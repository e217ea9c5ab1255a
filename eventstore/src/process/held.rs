//! What a manager has leased: pure, no IO.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;
use uuid::Uuid;

use crate::process::work::{Answer, Lane, Outcome, Work};

/// A row that so many heartbeats in a row have found locked was not just being settled.
const KEPT_LOCKED: u32 = 2;

#[derive(Debug)]
enum Stage {
    /// Waits for its turn.
    Kept,
    Running(AbortHandle),
    /// With what is to be said of it.
    Answered(Outcome),
}

#[derive(Debug)]
struct Entry {
    lease: Uuid,
    lane: Lane,
    attempt: u32,
    stage: Stage,
    /// When it is known to have been leased last.
    leased: Instant,
    /// How many heartbeats in a row have found its row locked, so that they could not make the lease last longer.
    found_locked: u32,
}

/// All that is leased here, by what becomes of it.
#[derive(Debug, Default)]
pub(super) struct Held {
    entries: HashMap<Uuid, Entry>,
    /// How many of them each lane has.
    of_lane: [usize; 3],
}

impl Held {
    pub(super) fn len(&self, lane: Lane) -> usize {
        self.of_lane[lane as usize]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn has(&self, id: &Uuid) -> bool {
        self.entries.contains_key(id)
    }

    /// Claimed by a statement that began then. What is here already was claimed again, as its lease had run out: the earlier is given up. Where it
    /// was done, which could not be said, and nobody has had it since, that is to be said now, and it is not to be begun.
    pub(super) fn add(&mut self, work: &Work, leased: Instant) -> Option<Answer> {
        let (lease, lane, attempt) = (work.lease, work.lane, work.attempt);
        let entry = Entry { lease, lane, attempt, stage: Stage::Kept, leased, found_locked: 0 };
        self.of_lane[lane as usize] += 1;
        let earlier = self.entries.insert(work.id, entry)?;
        self.of_lane[earlier.lane as usize] -= 1;
        // Whoever claims it makes an attempt.
        let is_next = (lane, attempt) == (earlier.lane, earlier.attempt + 1);
        match earlier.stage {
            Stage::Answered(outcome) if is_next && outcome.holds_later() => {
                self.answer(work.id, lease, outcome)
            }
            Stage::Running(task) => {
                task.abort();
                None
            }
            Stage::Kept | Stage::Answered(_) => None,
        }
    }

    /// Whether it is to be begun still.
    pub(super) fn is_kept(&self, work: &Work) -> bool {
        self.entries
            .get(&work.id)
            .is_some_and(|entry| entry.lease == work.lease && matches!(entry.stage, Stage::Kept))
    }

    pub(super) fn begins(&mut self, id: &Uuid, task: AbortHandle) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.stage = Stage::Running(task);
        }
    }

    /// What is to be said of it; nothing if it is not held under this lease any more.
    pub(super) fn answer(&mut self, id: Uuid, lease: Uuid, outcome: Outcome) -> Option<Answer> {
        let entry = self.entries.get_mut(&id).filter(|entry| entry.lease == lease)?;
        entry.stage = Stage::Answered(outcome.clone());
        Some(Answer { id, lease, lane: entry.lane, attempt: entry.attempt, outcome })
    }

    pub(super) fn forget(&mut self, id: &Uuid, lease: Uuid) {
        if let Some(entry) = self.entries.get(id).filter(|entry| entry.lease == lease) {
            self.of_lane[entry.lane as usize] -= 1;
            self.entries.remove(id);
        }
    }

    /// What was lost is done elsewhere.
    pub(super) fn lose(&mut self, id: &Uuid, lease: Uuid) {
        if let Some(Stage::Running(task)) =
            self.entries.get(id).filter(|entry| entry.lease == lease).map(|entry| &entry.stage)
        {
            task.abort();
        }
        self.forget(id, lease);
    }

    /// Those whose leases are that old.
    pub(super) fn older_than(&self, age: Duration) -> (Vec<Uuid>, Vec<Uuid>) {
        let old = self.entries.iter().filter(|(_, entry)| entry.is_older_than(age));
        old.map(|(id, entry)| (*id, entry.lease)).unzip()
    }

    /// Whether any lease may have run out.
    pub(super) fn has_older_than(&self, age: Duration) -> bool {
        self.entries.values().any(|entry| entry.is_older_than(age))
    }

    /// The same but for those that somebody keeps locked: nobody can claim these meanwhile.
    pub(super) fn has_doubtful(&self, age: Duration) -> bool {
        self.entries.values().any(|entry| entry.is_older_than(age) && entry.found_locked < KEPT_LOCKED)
    }

    pub(super) fn is_older_than(&self, id: &Uuid, age: Duration) -> bool {
        self.entries.get(id).is_some_and(|entry| entry.is_older_than(age))
    }

    pub(super) fn is_leased_since(&mut self, id: &Uuid, lease: Uuid, leased: Instant) {
        if let Some(entry) = self.entries.get_mut(id).filter(|entry| entry.lease == lease) {
            (entry.leased, entry.found_locked) = (leased, 0);
        }
    }

    /// A heartbeat has found its row locked.
    pub(super) fn is_locked(&mut self, id: &Uuid, lease: Uuid) {
        if let Some(entry) = self.entries.get_mut(id).filter(|entry| entry.lease == lease) {
            entry.found_locked += 1;
        }
    }
}

impl Entry {
    fn is_older_than(&self, age: Duration) -> bool {
        self.leased.elapsed() >= age
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::position::Position;

    fn work(lane: Lane, attempt: u32) -> Work {
        Work {
            id: Uuid::nil(),
            lease: Uuid::now_v7(),
            lane,
            attempt,
            cause: Position::START,
            key: Value::Null,
            name: String::new(),
            payload: Value::Null,
            reference: None,
            check_every: None,
            is_late: false,
        }
    }

    #[test]
    fn what_is_done_and_claimed_again_is_said_unless_somebody_has_had_it_since() {
        let (commands, checks) = (Lane::Commands, Lane::Checks);
        for (outcome, again, is_said) in [
            (Outcome::Done, work(commands, 2), true),
            (Outcome::Done, work(commands, 3), false),
            (Outcome::Done, work(commands, 1), false),
            (Outcome::Done, work(checks, 2), false),
            (Outcome::Parked { why: String::new() }, work(commands, 2), true),
            (Outcome::Failed { pause: Duration::ZERO, why: String::new() }, work(commands, 2), false),
            (Outcome::Untouched, work(commands, 2), false),
        ] {
            let (mut held, first) = (Held::default(), work(commands, 1));
            assert_eq!(held.add(&first, Instant::now()), None);
            held.answer(first.id, first.lease, outcome.clone()).unwrap();
            let said = held.add(&again, Instant::now());
            let (lease, lane, attempt) = (again.lease, again.lane, again.attempt);
            let answer = Answer { id: first.id, lease, lane, attempt, outcome };
            assert_eq!(said, is_said.then_some(answer), "{again:?}");
            assert_eq!(held.is_kept(&again), !is_said, "{again:?}");
            assert_eq!(held.len(commands) + held.len(checks), 1);
        }
    }
}
