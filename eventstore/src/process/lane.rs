//! What a manager has leased: pure, no IO.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use serde_json::Value;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use uuid::Uuid;

use crate::position::Position;

/// A kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    Commands,
    Checks,
    WakeUps,
}

impl Lane {
    pub(super) const ALL: [Self; 3] = [Self::Commands, Self::Checks, Self::WakeUps];

    /// As it is stored.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Commands => "c",
            Self::Checks => "s",
            Self::WakeUps => "w",
        }
    }

    /// As metrics and operators name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Commands => "command",
            Self::Checks => "check",
            Self::WakeUps => "wake_up",
        }
    }
}

/// Something that was claimed.
#[derive(Debug, Clone)]
pub(super) struct Work {
    pub(super) id: Uuid,
    pub(super) lease: Uuid,
    pub(super) lane: Lane,
    pub(super) attempt: u32,
    pub(super) cause: Position,
    pub(super) key: Value,
    pub(super) name: String,
    pub(super) payload: Value,
    pub(super) reference: Option<Value>,
    pub(super) check_every: Option<Duration>,
    /// Its deadline has passed.
    pub(super) is_late: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    Done,
    /// To be asked after when the pause has passed.
    Running {
        reference: Option<Value>,
        pause: Duration,
        check_every: Option<Duration>,
        time_out_after: Option<Duration>,
    },
    /// To be tried again when the pause has passed.
    Failed {
        pause: Duration,
        why: String,
    },
    Parked {
        why: String,
    },
    /// Handed back as if it had not been claimed.
    Untouched,
}

impl Outcome {
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Done => "d",
            Self::Running { .. } => "s",
            Self::Failed { .. } => "f",
            Self::Parked { .. } => "p",
            Self::Untouched => "b",
        }
    }

    /// As metrics name it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Running { .. } => "running",
            Self::Failed { .. } => "failed",
            Self::Parked { .. } => "parked",
            Self::Untouched => "untouched",
        }
    }
}

/// What the database is to be told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) id: Uuid,
    pub(super) lease: Uuid,
    pub(super) lane: Lane,
    pub(super) attempt: u32,
    pub(super) outcome: Outcome,
}

impl Answer {
    /// How many attempts count from now on.
    pub(super) fn attempts(&self) -> i32 {
        let attempts = match self.outcome {
            Outcome::Running { .. } => 0,
            Outcome::Untouched => self.attempt.saturating_sub(1),
            _ => self.attempt,
        };
        i32::try_from(attempts).unwrap_or(i32::MAX)
    }
}

#[derive(Debug)]
enum Stage {
    /// Waits for its turn.
    Kept,
    Running(AbortHandle),
    Answered,
}

#[derive(Debug)]
struct Entry {
    lease: Uuid,
    lane: Lane,
    attempt: u32,
    stage: Stage,
    /// When it is known to have been leased last.
    leased: Instant,
}

/// All that is leased here, by what becomes of it.
#[derive(Debug, Default)]
pub(super) struct Held {
    entries: HashMap<Uuid, Entry>,
}

/// One lane's turn, and when to look for more.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) lane: Lane,
    at_once: usize,
    batch: usize,
    waiting: VecDeque<Work>,
    running: usize,
    is_claiming: bool,
    /// Nothing is due until then, as far as is known.
    dry_until: Option<Instant>,
    /// Something has changed while it was being claimed.
    has_reason: bool,
}

impl Queue {
    pub(super) fn new(lane: Lane, at_once: usize, batch: usize) -> Self {
        let (at_once, batch) = (at_once.max(1), batch.max(1));
        Self {
            lane,
            at_once,
            batch,
            waiting: VecDeque::new(),
            running: 0,
            is_claiming: false,
            dry_until: None,
            has_reason: false,
        }
    }

    /// How much is to be claimed now, of which so much is held already: as soon as hands are about to be empty, or half a batch can be had.
    pub(super) fn wants(&self, held: usize) -> Option<usize> {
        let room = self.batch.saturating_sub(held);
        let is_short = self.waiting.is_empty() || room * 2 >= self.batch;
        let may = !self.is_claiming && self.dry_until.is_none() && room > 0 && is_short;
        may.then_some(room)
    }

    pub(super) fn is_claiming(&mut self) {
        (self.is_claiming, self.has_reason) = (true, false);
    }

    /// What was claimed; dry for so long, unless something has changed meanwhile.
    pub(super) fn has_claimed(&mut self, work: Vec<Work>, dry_for: Option<Duration>) {
        self.is_claiming = false;
        self.waiting.extend(work);
        if !self.has_reason {
            self.dry_until = dry_for.map(|pause| Instant::now() + pause);
        }
    }

    /// There may be something due.
    pub(super) fn may_claim(&mut self) {
        (self.dry_until, self.has_reason) = (None, true);
    }

    /// Something will be due then.
    pub(super) fn is_due_in(&mut self, pause: Duration) {
        if pause.is_zero() {
            return self.may_claim();
        }
        let at = Instant::now() + pause;
        self.dry_until = self.dry_until.map(|until| until.min(at));
    }

    pub(super) fn look_at_clock(&mut self) {
        self.dry_until.take_if(|until| *until <= Instant::now());
    }

    pub(super) fn dry_until(&self) -> Option<Instant> {
        self.dry_until
    }

    /// The next one whose turn it is.
    pub(super) fn begins(&mut self) -> Option<Work> {
        let next = if self.running < self.at_once { self.waiting.pop_front() } else { None };
        self.running += usize::from(next.is_some());
        next
    }

    pub(super) fn has_ended(&mut self) {
        self.running -= 1;
    }

    pub(super) fn is_idle(&self) -> bool {
        self.running == 0 && self.waiting.is_empty()
    }

    pub(super) fn take_waiting(&mut self) -> VecDeque<Work> {
        std::mem::take(&mut self.waiting)
    }

    /// Forgets what was lost before its turn came.
    pub(super) fn drop_lost(&mut self, is_held: impl Fn(&Uuid) -> bool) {
        self.waiting.retain(|work| is_held(&work.id));
    }
}

impl Held {
    pub(super) fn len(&self, lane: Lane) -> usize {
        self.entries.values().filter(|entry| entry.lane == lane).count()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn has(&self, id: &Uuid) -> bool {
        self.entries.contains_key(id)
    }

    /// Claimed by a statement that began then. What is here already was claimed again, as its lease had run out: the earlier is given up.
    pub(super) fn add(&mut self, work: &Work, leased: Instant) {
        let (lease, lane, attempt) = (work.lease, work.lane, work.attempt);
        let entry = Entry { lease, lane, attempt, stage: Stage::Kept, leased };
        if let Some(Entry { stage: Stage::Running(task), .. }) = self.entries.insert(work.id, entry) {
            task.abort();
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
        entry.stage = Stage::Answered;
        Some(Answer { id, lease, lane: entry.lane, attempt: entry.attempt, outcome })
    }

    pub(super) fn forget(&mut self, id: &Uuid, lease: Uuid) {
        if self.entries.get(id).is_some_and(|entry| entry.lease == lease) {
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
        let old = self.entries.iter().filter(|(_, entry)| entry.leased.elapsed() >= age);
        old.map(|(id, entry)| (*id, entry.lease)).unzip()
    }

    pub(super) fn is_leased_since(&mut self, id: &Uuid, leased: Instant) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.leased = leased;
        }
    }
}
