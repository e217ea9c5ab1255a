//! The counters of the conversation: a recomputed projection, and the diary that says whether two recomputes of a key ever overlapped.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use eventstore::{ApplyError, Consistency, EventStore, Filter, Recomputed, RecordedEvent, Token};
use serde::{Deserialize, Serialize};
use tokio_postgres::{Row, Transaction};

use crate::histogram::Latencies;

pub(super) const OPINION: &str = "OpinionGiven";
pub(super) const VOTE: &str = "VoteCast";

/// Where they are kept, made anew.
pub(super) const TABLE: &str = "
    DROP SCHEMA IF EXISTS hot_stream_view CASCADE;
    CREATE SCHEMA hot_stream_view;
    CREATE TABLE hot_stream_view.counters (
        conversation text PRIMARY KEY, opinions bigint NOT NULL, votes bigint NOT NULL, participants bigint NOT NULL
    ) WITH (fillfactor = 50);";

/// What a request shows.
pub(super) const SHOWN: &str =
    "SELECT opinions, votes, participants FROM hot_stream_view.counters WHERE conversation = $1";

const SAVE: &str = "
    INSERT INTO hot_stream_view.counters VALUES ($1, $2, $3, $4)
    ON CONFLICT (conversation) DO UPDATE SET
        opinions = excluded.opinions, votes = excluded.votes, participants = excluded.participants";

/// The counters. Who has voted is a participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Counts {
    pub(super) opinions: i64,
    pub(super) votes: i64,
    pub(super) participants: i64,
}

impl Counts {
    /// Of a row that has them in this order.
    pub(super) fn of(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self { opinions: row.try_get(0)?, votes: row.try_get(1)?, participants: row.try_get(2)? })
    }
}

/// What is folded, and kept in a snapshot. The voters are its size: some 35 KB of JSON for 5,000 of them.
#[derive(Default, Serialize, Deserialize)]
struct Seen {
    opinions: i64,
    votes: i64,
    voters: BTreeSet<i64>,
}

impl Seen {
    fn add(&mut self, event: &RecordedEvent) {
        if event.event_type.as_str() == OPINION {
            self.opinions += 1;
        } else {
            self.votes += 1;
            self.voters.extend(event.payload["UserID"].as_i64());
        }
    }

    fn counts(&self) -> Counts {
        let participants = i64::try_from(self.voters.len()).unwrap_or(i64::MAX);
        Counts { opinions: self.opinions, votes: self.votes, participants }
    }
}

/// What is saved of a conversation. The recompute is under way until that is done.
pub(super) struct Shown {
    counts: Counts,
    _entry: Entry,
}

pub(super) struct Counters {
    pub(super) store: EventStore,
    pub(super) diary: Arc<Diary>,
}

impl Recomputed for Counters {
    type View = Shown;

    fn name(&self) -> &str {
        "counters"
    }

    fn filter(&self) -> Filter {
        Filter::event_types([OPINION, VOTE])
    }

    fn keys(&self, event: &RecordedEvent) -> Vec<String> {
        event.payload["ConversationID"].as_str().map(str::to_owned).into_iter().collect()
    }

    async fn compute(&self, key: &str, at_least: Token) -> Result<Shown, ApplyError> {
        let entry = self.diary.begin(key);
        let of_conversation = self.filter().and_all([("ConversationID", key)]);
        let fold = self.store.fold("counters", &of_conversation, Seen::default(), Seen::add);
        let seen = fold.consistency(Consistency::AtLeast(at_least)).await?;
        Ok(Shown { counts: seen.state.counts(), _entry: entry })
    }

    async fn save(&self, transaction: &Transaction<'_>, key: &str, view: Shown) -> Result<(), ApplyError> {
        let Shown { counts: view, .. } = &view;
        transaction.execute(SAVE, &[&key, &view.opinions, &view.votes, &view.participants]).await?;
        Ok(())
    }
}

/// When recomputes began and ended, by key.
#[derive(Default)]
pub(super) struct Diary(Mutex<Pages>);

#[derive(Default)]
struct Pages {
    underway: HashMap<String, u64>,
    found: Recomputes,
}

/// What the diary says.
#[derive(Clone, Default)]
pub(super) struct Recomputes {
    pub(super) made: u64,
    /// Those that began while another one of their key was under way.
    pub(super) overlapping: u64,
    pub(super) took: Latencies,
}

/// A recompute that is under way, until this is dropped.
struct Entry {
    diary: Arc<Diary>,
    key: String,
    began: Instant,
}

impl Diary {
    pub(super) fn recomputes(&self) -> Recomputes {
        self.with(|pages| pages.found.clone())
    }

    fn begin(self: &Arc<Self>, key: &str) -> Entry {
        self.with(|pages| {
            let underway = pages.underway.entry(key.to_owned()).or_default();
            pages.found.overlapping += u64::from(*underway > 0);
            *underway += 1;
        });
        Entry { diary: Arc::clone(self), key: key.to_owned(), began: Instant::now() }
    }

    fn with<T>(&self, note: impl FnOnce(&mut Pages) -> T) -> T {
        note(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.diary.with(|pages| {
            if let Some(underway) = pages.underway.get_mut(&self.key) {
                *underway -= 1;
            }
            pages.found.made += 1;
            pages.found.took.record(self.began.elapsed());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recomputes_overlap_if_they_are_of_one_key() {
        let diary = Arc::new(Diary::default());
        let first = diary.begin("a");
        drop(diary.begin("b"));
        assert_eq!(diary.recomputes().overlapping, 0);
        drop(diary.begin("a"));
        drop(first);
        drop(diary.begin("a"));
        let found = diary.recomputes();
        assert_eq!((found.made, found.overlapping), (4, 1));
    }
}
