//! What the rules look at: the history and the log, and what is found in them by id.

use std::collections::HashMap;

use uuid::Uuid;

use super::actions::{Append, Outcome};
use super::history::{Action, History, Operation};
use super::log::Log;

pub(super) struct Evidence<'a> {
    pub(super) history: &'a History,
    pub(super) log: &'a Log,
    /// The appends of each event: several if its ids were sent again.
    owners: HashMap<&'a Uuid, Vec<usize>>,
    /// When another server became the primary, ascending, and the last position that it had.
    pub(super) failovers: Vec<(u64, u64)>,
}

impl<'a> Evidence<'a> {
    pub(super) fn new(history: &'a History, log: &'a Log) -> Self {
        let mut owners: HashMap<&Uuid, Vec<usize>> = HashMap::new();
        for (number, _, append) in history.appends() {
            for event in &append.events {
                owners.entry(&event.id).or_default().push(number);
            }
        }
        let failovers = history.operations.iter().filter_map(|operation| match operation.action {
            Action::Failover { kept } => Some((operation.completed.unwrap_or(u64::MAX), kept)),
            _ => None,
        });
        let mut failovers: Vec<(u64, u64)> = failovers.collect();
        failovers.sort_unstable();
        Self { history, log, owners, failovers }
    }

    /// The operations that appended an event, by their numbers, ascending.
    pub(super) fn owners(&self, id: &Uuid) -> &[usize] {
        self.owners.get(id).map_or(&[], Vec::as_slice)
    }

    pub(super) fn append(&self, number: usize) -> Option<&'a Append> {
        match &self.history.operations.get(number)?.action {
            Action::Append(append) => Some(append),
            _ => None,
        }
    }

    /// Whether an append of the same ids that began before this one may have written them.
    pub(super) fn is_sent_again(&self, number: usize, append: &Append) -> bool {
        let began = |number: usize| (self.history.operations[number].invoked, number);
        self.possible_writers(append).any(|(other, _)| began(other) < began(number))
    }

    /// The appends of the same ids, by their numbers, ascending.
    fn of_same_ids(&self, append: &Append) -> impl Iterator<Item = (usize, &'a Append)> {
        let owners = append.events.first().map(|event| self.owners(&event.id)).unwrap_or_default();
        owners.iter().filter_map(|number| Some((*number, self.append(*number)?)))
    }

    /// When these events were acknowledged first so that they were not lost, and by which operation.
    pub(super) fn acknowledged(&self, append: &Append) -> Option<(usize, u64)> {
        let told = self.of_same_ids(append).filter_map(|(number, append)| {
            let operation = &self.history.operations[number];
            // An acknowledgement whose events were lost says nothing of those that were written later.
            let is_accepted = append.acknowledged_up_to().is_some_and(|last| last <= self.kept(operation));
            operation.completed.filter(|_| is_accepted).map(|told| (number, told))
        });
        told.min_by_key(|(_, told)| *told)
    }

    /// The appends of the same ids that may have written them, by their numbers, ascending: not one that began when they had
    /// been acknowledged.
    pub(super) fn possible_writers(&self, append: &Append) -> impl Iterator<Item = (usize, &'a Append)> {
        let acknowledged = self.acknowledged(append).map_or(u64::MAX, |(_, told)| told);
        self.of_same_ids(append).filter(move |(number, append)| {
            // One that was acknowledged elsewhere was lost, and is not what stands here now.
            let may_have = match append.outcome {
                Outcome::Accepted { .. } => append.outcome_stands(self.log) || self.failovers.is_empty(),
                Outcome::Indeterminate => true,
                Outcome::Conflict { .. } | Outcome::Failed => false,
            };
            may_have && self.history.operations[*number].invoked <= acknowledged
        })
    }

    /// Where what this very append wrote stands, if that is certain: it was acknowledged there, or has no answer, and nobody else sent
    /// the same events.
    pub(super) fn written_by(&self, append: &Append) -> Option<u64> {
        let found = self.log.with_id(&append.events.first()?.id).next()?.position;
        let is_its_own = match append.outcome {
            Outcome::Accepted { first } => first == found,
            Outcome::Indeterminate => self.of_same_ids(append).count() == 1,
            Outcome::Conflict { .. } | Outcome::Failed => false,
        };
        is_its_own.then_some(found)
    }

    /// Where an append stands that was acknowledged, or turned out to be written. One that was lost stands nowhere.
    pub(super) fn committed_at(&self, append: &Append) -> Option<u64> {
        let found = self.log.with_id(&append.events.first()?.id).next()?.position;
        match append.outcome {
            Outcome::Accepted { .. } | Outcome::Indeterminate => Some(found),
            Outcome::Conflict { .. } | Outcome::Failed => None,
        }
    }

    /// The last position that survived what happened after an operation had begun: all of them without a failover.
    pub(super) fn kept(&self, operation: &Operation) -> u64 {
        let later = self.failovers.iter().filter(|(promoted, _)| operation.invoked <= *promoted);
        later.map(|(_, kept)| *kept).min().unwrap_or(u64::MAX)
    }

    /// Whether a failover explains that what stood at a position is lost, for someone who is told at an instant.
    pub(super) fn is_lost(&self, position: u64, told: u64) -> bool {
        self.failovers.iter().any(|(promoted, kept)| *promoted <= told && position > *kept)
    }
}
