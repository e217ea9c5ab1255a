//! What a member has leased: pure, no IO.
//!
//! *States of an entry.* Waiting, behind an earlier event of its key in the same claim; ready, to be handed over; handed over;
//! answered. What is answered is settled in the database, and then forgotten; only then is the next of its key ready, as until then others may
//! come to have it. When one of a key fails, or is lost, those behind it are answered as untouched: they may not go before it.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::event::RecordedEvent;
use crate::position::Position;

/// An event that was claimed.
#[derive(Debug, Clone)]
pub(super) struct Claimed {
    pub(super) event: RecordedEvent,
    /// The first event of its key in the same claim: itself, or an earlier one.
    pub(super) head: Position,
    /// Which attempt it is to hand it over, from 1.
    pub(super) attempt: i32,
    pub(super) lease: Uuid,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    Done,
    /// In a transaction of somebody else's, which has taken its row away.
    DoneElsewhere,
    /// To be tried again after a pause.
    Failed {
        pause: Duration,
        why: String,
    },
    Parked {
        why: String,
    },
    /// Handed back as if it had not been claimed, but not before a pause.
    Untouched {
        pause: Duration,
    },
}

impl Outcome {
    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Done | Self::DoneElsewhere)
    }

    /// As metrics name it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Done | Self::DoneElsewhere => "done",
            Self::Failed { .. } => "failed",
            Self::Parked { .. } => "parked",
            Self::Untouched { .. } => "untouched",
        }
    }
}

/// What the database is to be told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) position: Position,
    pub(super) lease: Uuid,
    pub(super) attempt: i32,
    pub(super) outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Behind another one, or ready.
    Kept,
    HandedOver(Instant),
    Answered,
}

#[derive(Debug)]
struct Entry {
    lease: Uuid,
    head: Position,
    attempt: i32,
    stage: Stage,
    lost: CancellationToken,
}

/// All that is leased here.
#[derive(Debug, Default)]
pub(super) struct Book {
    entries: HashMap<Position, Entry>,
    /// Each with when it became ready; the first one first.
    ready: VecDeque<(Claimed, Instant)>,
    /// By head; those that follow it, in their order.
    behind: HashMap<Position, VecDeque<Claimed>>,
}

impl Book {
    /// What is here already was claimed again, as its lease had run out: the earlier is lost. With how many those are, and what was behind
    /// them and was not claimed with them, to be handed back.
    pub(super) fn add(&mut self, claimed: Vec<Claimed>) -> (usize, Vec<Answer>) {
        let lost = self.lose_earlier(&claimed);
        for one in claimed {
            let lost = CancellationToken::new();
            let (lease, head, attempt) = (one.lease, one.head, one.attempt);
            let position = one.event.position;
            self.entries.insert(position, Entry { lease, head, attempt, stage: Stage::Kept, lost });
            if head == position {
                self.ready.push_back((one, Instant::now()));
            } else {
                self.behind.entry(head).or_default().push_back(one);
            }
        }
        lost
    }

    fn lose_earlier(&mut self, claimed: &[Claimed]) -> (usize, Vec<Answer>) {
        let earlier: Vec<Entry> =
            claimed.iter().filter_map(|one| self.entries.remove(&one.event.position)).collect();
        if earlier.is_empty() {
            return (0, Vec::new());
        }
        let entries = &self.entries;
        self.ready.retain(|(one, _)| entries.contains_key(&one.event.position));
        let mut behind = Vec::new();
        for entry in &earlier {
            entry.lost.cancel();
            behind.extend(self.release_behind(entry.head));
        }
        (earlier.iter().filter(|entry| entry.stage != Stage::Answered).count(), behind)
    }

    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// What was handed over and has no answer yet.
    pub(super) fn in_flight(&self) -> usize {
        self.entries.values().filter(|entry| matches!(entry.stage, Stage::HandedOver(_))).count()
    }

    /// The next one to be handed over, and what tells its taker that it was lost.
    pub(super) fn hand_over(&mut self) -> Option<(Claimed, CancellationToken)> {
        while let Some((claimed, _)) = self.ready.pop_front() {
            if let Some(entry) = self.entry(claimed.event.position, claimed.lease)
                && entry.stage == Stage::Kept
            {
                entry.stage = Stage::HandedOver(Instant::now());
                return Some((claimed, entry.lost.clone()));
            }
        }
        None
    }

    /// Nobody has taken it after all.
    pub(super) fn take_back(&mut self, claimed: Claimed) {
        if let Some(entry) = self.entry(claimed.event.position, claimed.lease) {
            entry.stage = Stage::Kept;
            self.ready.push_front((claimed, Instant::now()));
        }
    }

    /// For how long it has been handed over.
    pub(super) fn in_hand_for(&mut self, position: Position, lease: Uuid) -> Option<Duration> {
        match self.entry(position, lease)?.stage {
            Stage::HandedOver(at) => Some(at.elapsed()),
            Stage::Kept | Stage::Answered => None,
        }
    }

    /// Notes an answer; with what is to be settled: it, and those behind it that may not go on. Nothing if it is not here any more.
    pub(super) fn answer(&mut self, position: Position, lease: Uuid, outcome: Outcome) -> Vec<Answer> {
        let Some(entry) = self.entry(position, lease).filter(|entry| entry.stage != Stage::Answered) else {
            return Vec::new();
        };
        entry.stage = Stage::Answered;
        let (head, attempt) = (entry.head, entry.attempt);
        let is_done = outcome.is_done();
        let mut answers = vec![Answer { position, lease, attempt, outcome }];
        if !is_done {
            answers.extend(self.release_behind(head));
        }
        answers
    }

    /// The database has been told, and has taken it or not. With what is to be handed back then, if it has not.
    pub(super) fn settled(&mut self, position: Position, lease: Uuid, is_taken: bool) -> Vec<Answer> {
        let Some(head) = self.entry(position, lease).map(|entry| entry.head) else { return Vec::new() };
        self.entries.remove(&position);
        if !is_taken {
            return self.release_behind(head);
        }
        if let Some(behind) = self.behind.get_mut(&head) {
            self.ready.extend(behind.pop_front().map(|next| (next, Instant::now())));
            if behind.is_empty() {
                self.behind.remove(&head);
            }
        }
        Vec::new()
    }

    /// Somebody else has leased it; with those behind it, to be handed back. False if that is no news.
    pub(super) fn lost(&mut self, position: Position, lease: Uuid) -> (bool, Vec<Answer>) {
        let Some(entry) = self.entry(position, lease).filter(|entry| entry.stage != Stage::Answered) else {
            return (false, Vec::new());
        };
        entry.lost.cancel();
        let head = entry.head;
        self.entries.remove(&position);
        (true, self.release_behind(head))
    }

    /// The leases that are to last longer: all but those that were handed over so long ago, and those that are answered.
    pub(super) fn leases(&self, time_limit: Duration) -> (Vec<Position>, Vec<Uuid>) {
        let lasts = |entry: &Entry| match entry.stage {
            Stage::Kept => true,
            Stage::HandedOver(at) => at.elapsed() < time_limit,
            Stage::Answered => false,
        };
        let lasting = self.entries.iter().filter(|(_, entry)| lasts(entry));
        lasting.map(|(position, entry)| (*position, entry.lease)).unzip()
    }

    /// Since when the first one is ready, if there is one.
    pub(super) fn ready_since(&self) -> Option<Instant> {
        self.ready.front().map(|(_, since)| *since)
    }

    /// What has been ready since then, or for longer, is to be handed back.
    pub(super) fn release_ready(&mut self, since: Instant) -> Vec<Answer> {
        let mut answers = Vec::new();
        while self.ready_since().is_some_and(|then| then <= since) {
            let Some((claimed, _)) = self.ready.pop_front() else { break };
            answers.extend(self.answer(claimed.event.position, claimed.lease, untouched()));
        }
        answers
    }

    /// Everything is to be handed back, also what was handed over.
    pub(super) fn release_all(&mut self) -> Vec<Answer> {
        self.ready.clear();
        self.behind.clear();
        let entries = self.entries.iter_mut().filter(|(_, entry)| entry.stage != Stage::Answered);
        let answers = entries.map(|(position, entry)| {
            entry.stage = Stage::Answered;
            entry.lost.cancel();
            let (position, lease, attempt) = (*position, entry.lease, entry.attempt);
            Answer { position, lease, attempt, outcome: untouched() }
        });
        answers.collect()
    }

    fn release_behind(&mut self, head: Position) -> Vec<Answer> {
        let behind = self.behind.remove(&head).unwrap_or_default();
        let mut answers = Vec::new();
        for claimed in behind {
            let (position, lease, attempt) = (claimed.event.position, claimed.lease, claimed.attempt);
            if let Some(entry) = self.entry(position, lease) {
                entry.stage = Stage::Answered;
                answers.push(Answer { position, lease, attempt, outcome: untouched() });
            }
        }
        answers
    }

    fn entry(&mut self, position: Position, lease: Uuid) -> Option<&mut Entry> {
        self.entries.get_mut(&position).filter(|entry| entry.lease == lease)
    }
}

fn untouched() -> Outcome {
    Outcome::Untouched { pause: Duration::ZERO }
}
