//! One lane's turn: pure, no IO.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::deadline;
use crate::process::work::{Lane, Work};

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
    /// Or will be due then.
    due_at: Option<Instant>,
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
            due_at: None,
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
        (self.is_claiming, self.has_reason, self.due_at) = (true, false, None);
    }

    /// What was claimed; dry for so long, unless something has changed meanwhile.
    pub(super) fn has_claimed(&mut self, work: Vec<Work>, dry_for: Option<Duration>) {
        self.is_claiming = false;
        self.waiting.extend(work);
        if !self.has_reason {
            let dry_until = dry_for.map(|pause| Instant::now() + pause);
            self.dry_until = dry_until.map(|until| self.due_at.map_or(until, |at| at.min(until)));
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
        let at = deadline::after(pause);
        self.due_at = Some(self.due_at.map_or(at, |due| due.min(at)));
        self.dry_until = self.dry_until.map(|until| until.min(at));
    }

    pub(super) fn look_at_clock(&mut self) {
        self.dry_until.take_if(|until| *until <= Instant::now());
    }

    pub(super) fn claims_now(&self) -> bool {
        self.is_claiming
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
