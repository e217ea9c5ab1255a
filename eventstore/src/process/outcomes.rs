//! What is still to be said: pure, no IO.
//!
//! What somebody locks is said apart from the rest, so that it holds up nothing but itself.

use std::time::Duration;

use tokio::time::Instant;

use crate::process::work::Answer;

/// How long an outcome may wait for others to be said with it.
const GATHER_FOR: Duration = Duration::from_millis(5);

/// Which outcomes are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// Whatever comes.
    Any,
    /// Those whose rows somebody locks.
    Locked,
}

/// All that was not said yet.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    any: Outcomes,
    locked: Outcomes,
}

impl Backlog {
    pub(super) fn of(&mut self, rows: Rows) -> &mut Outcomes {
        match rows {
            Rows::Any => &mut self.any,
            Rows::Locked => &mut self.locked,
        }
    }

    /// When there is something to be said at the latest. What is locked is said after rests.
    pub(super) fn ripe_at(&self) -> Option<Instant> {
        self.any.ripe_at()
    }
}

/// Outcomes that were not said yet. One statement at a time says them; what comes meanwhile makes up the next.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    waiting: Vec<Answer>,
    /// When the first of these came.
    since: Option<Instant>,
    is_under_way: bool,
    /// The last statement has failed, or its answer was lost: what it said may hold.
    is_in_doubt: bool,
}

impl Outcomes {
    pub(super) fn push(&mut self, answer: Answer) {
        self.waiting.push(answer);
        self.since.get_or_insert_with(Instant::now);
    }

    /// What is to be said now: all, once the first has waited for others, or so many are there, or no more are about to come.
    pub(super) fn begin(&mut self, enough: usize, is_all: bool) -> Option<Vec<Answer>> {
        let is_ripe = self.since?.elapsed() >= GATHER_FOR || is_all || self.waiting.len() >= enough;
        if self.is_under_way || !is_ripe {
            return None;
        }
        (self.since, self.is_under_way) = (None, true);
        Some(std::mem::take(&mut self.waiting))
    }

    /// They were said. True if that may have been so before.
    pub(super) fn were_said(&mut self) -> bool {
        self.is_under_way = false;
        std::mem::take(&mut self.is_in_doubt)
    }

    /// To be said again, with what has come since, after a [rest](Self::has_rested). What holds already is not held any more, and does no harm.
    pub(super) fn have_failed(&mut self, answers: Vec<Answer>) {
        (self.is_under_way, self.is_in_doubt) = (true, true);
        self.waiting.splice(0..0, answers);
        self.since.get_or_insert_with(Instant::now);
    }

    /// Their rows are locked, and they may have been said before: to be said after a [rest](Self::has_rested). True if that is to be begun.
    pub(super) fn are_locked(&mut self, answers: Vec<Answer>, is_in_doubt: bool) -> bool {
        self.is_in_doubt |= is_in_doubt;
        self.waiting.extend(answers);
        self.since.get_or_insert_with(Instant::now);
        !std::mem::replace(&mut self.is_under_way, true)
    }

    pub(super) fn has_rested(&mut self) {
        self.is_under_way = false;
    }

    fn ripe_at(&self) -> Option<Instant> {
        self.since.filter(|_| !self.is_under_way).map(|first| first + GATHER_FOR)
    }
}
