//! What a process has leased: pure, no IO.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;
use uuid::Uuid;

use crate::token::Token;

/// A key that was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) key: String,
    pub(super) lease: Uuid,
    /// What must be in what is computed.
    pub(super) wanted: Token,
    pub(super) attempt: i32,
}

#[derive(Debug)]
struct Entry {
    lease: Uuid,
    task: AbortHandle,
    /// When the statement began by which it is known to have been leased last.
    leased: Instant,
    was_given_up: bool,
}

/// The keys that tasks of this process are at, by what becomes of them. One is in here until its task has ended.
#[derive(Debug, Default)]
pub(super) struct Held {
    entries: HashMap<String, Entry>,
}

impl Held {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a task is at it, though its lease may be lost.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    pub(super) fn add(&mut self, key: String, (lease, leased): (Uuid, Instant), task: AbortHandle) {
        self.entries.insert(key, Entry { lease, task, leased, was_given_up: false });
    }

    /// Its task has ended.
    pub(super) fn remove(&mut self, key: &str) {
        self.entries.remove(key);
    }

    /// Drops what is computed of a key: it is computed elsewhere.
    pub(super) fn give_up(&mut self, key: &str) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.was_given_up = true;
            entry.task.abort();
        }
    }

    /// Those whose leases are not lost, as far as is known, with these.
    pub(super) fn leases(&self) -> (Vec<String>, Vec<Uuid>) {
        let held = self.entries.iter().filter(|(_, entry)| !entry.was_given_up);
        held.map(|(key, entry)| (key.clone(), entry.lease)).unzip()
    }

    /// Whether it is still at work under this lease, as far as is known.
    pub(super) fn is_under(&self, key: &str, lease: Uuid) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.lease == lease && !entry.was_given_up)
    }

    /// Leased for longer by a statement that began then.
    pub(super) fn is_leased_since(&mut self, key: &str, lease: Uuid, leased: Instant) {
        if let Some(entry) = self.entries.get_mut(key).filter(|entry| entry.lease == lease) {
            entry.leased = leased;
        }
    }

    /// Those that others may have begun, as their leases have lasted for so long.
    pub(super) fn expired(&self, lease: Duration) -> Vec<String> {
        let held = self.entries.iter().filter(|(_, entry)| !entry.was_given_up);
        held.filter(|(_, entry)| entry.leased.elapsed() >= lease).map(|(key, _)| key.clone()).collect()
    }

    /// When the first one runs out.
    pub(super) fn expires_at(&self, lease: Duration) -> Option<Instant> {
        let held = self.entries.values().filter(|entry| !entry.was_given_up);
        held.map(|entry| entry.leased + lease).min()
    }
}
