//! A cache, as the application has it.

use std::fmt;
use std::future::Future;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::cache::entries::{Entries, Look, Ticket};
use crate::position::Position;
use crate::store::EventStore;
use crate::telemetry::CacheCounters;
use crate::token::Token;

/// How many loads of others one waits for: where the servers are slow to fail, those who wait do not fail one after the other.
const MOST_WAITS: u32 = 2;
/// What is allowed for on top of two polls before a silence is one.
const SLACK: Duration = Duration::from_secs(1);

/// Values kept in memory until an event changes them. Cheap to clone; made by [`EventStore::cache`], where the rules are.
///
/// Both reads take a function that loads a value, with the token up to which it is complete: that of the [`History`](crate::History) or
/// [`Folded`](crate::Folded) that it comes from. A query with a [limit](crate::Query::limit), read forwards, is complete up to its last
/// event alone, and mostly not kept; read backwards it is complete up to the head. A token that is further than what was read keeps
/// wrong values.
///
/// # Errors
/// Those of the load. The cache has none: where it can not say what is new, every read loads.
///
/// # Cancellation
/// Safe: where a load is dropped that others wait for, the next of them loads.
pub struct Cache<V>(Arc<Inner<V>>);

struct Inner<V> {
    shared: Arc<Shared<V>>,
    _follower: AbortOnDropHandle<()>,
}

/// What a cache has done since the handle was made, together with others of its name in this handle, and how it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Reads that were answered from memory.
    pub hits: u64,
    /// Reads that were answered by the load of another one.
    pub shared: u64,
    /// Reads that loaded, successfully or not.
    pub misses: u64,
    /// Events that changed a key, whether it was kept or not.
    pub writes: u64,
    /// Entries that an event has dropped.
    pub invalidations: u64,
    /// How many entries this cache has now. Those that have become too old go when they are asked for, or are the oldest.
    pub entries: usize,
    /// Whether this cache serves now. Where not, every read loads.
    pub is_open: bool,
}

impl CacheStats {
    /// How many reads there were for each event that changed a key; none where nothing was changed. Below 100 do not cache it: the
    /// log is the better place to read, and never stale.
    #[must_use]
    pub fn reads_per_write(&self) -> Option<f64> {
        let reads = self.hits + self.shared + self.misses;
        match self.writes {
            0 => None,
            writes => Some(reads as f64 / writes as f64),
        }
    }
}

impl<V: Send + Sync + 'static> Cache<V> {
    pub(super) fn new(shared: Arc<Shared<V>>, follower: AbortOnDropHandle<()>) -> Self {
        Self(Arc::new(Inner { shared, _follower: follower }))
    }

    /// The value of a key: the one that is kept, or else what `load` gives. A hit asks no server. It may be stale, by as much as events take
    /// to come, and in no case by more than [`max_age`](crate::CacheBuilder::max_age) and what the load itself was.
    ///
    /// # Errors
    /// Those of `load`.
    ///
    /// # Cancellation
    /// Safe.
    pub async fn get<F, L, E>(&self, key: &str, load: F) -> Result<Arc<V>, E>
    where
        F: FnOnce() -> L,
        L: Future<Output = Result<(V, Token), E>>,
    {
        self.read(key, Position::START, load).await
    }

    /// The same, but what is kept is used only if it is complete up to a token: for whoever has just written. Have `load` read
    /// [at least](crate::Consistency::AtLeast) the token too; what it gives is not looked at again. Positions alone are
    /// compared: that the log still has the token's event is for the load to find out.
    ///
    /// # Errors
    /// Those of `load`.
    ///
    /// # Cancellation
    /// Safe.
    pub async fn get_at_least<F, L, E>(&self, key: &str, token: Token, load: F) -> Result<Arc<V>, E>
    where
        F: FnOnce() -> L,
        L: Future<Output = Result<(V, Token), E>>,
    {
        self.read(key, token.position(), load).await
    }

    /// What it has done, and how it is.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        let shared = &self.0.shared;
        let (entries, is_open) = {
            let entries = shared.entries();
            (entries.len(), shared.is_open(&entries, Instant::now()))
        };
        let CacheCounters { hits, shared, misses, writes, invalidations } = &shared.counters;
        CacheStats {
            hits: hits.get(),
            shared: shared.get(),
            misses: misses.get(),
            writes: writes.get(),
            invalidations: invalidations.get(),
            entries,
            is_open,
        }
    }

    async fn read<F, L, E>(&self, key: &str, at_least: Position, load: F) -> Result<Arc<V>, E>
    where
        F: FnOnce() -> L,
        L: Future<Output = Result<(V, Token), E>>,
    {
        let shared = &self.0.shared;
        let mut waits = 0;
        let flight = loop {
            match shared.look(key, at_least) {
                Some(Look::Kept(value)) => {
                    shared.counters.hits.inc();
                    return Ok(value);
                }
                Some(Look::Absent(ticket)) => break Some(Flight { shared: Arc::clone(shared), ticket }),
                Some(Look::Underway(underway)) if waits < MOST_WAITS => {
                    waits += 1;
                    // A load may never end: it may wait for this one.
                    let limit = shared.store.settings().query_timeout;
                    match timeout(limit, underway.value()).await {
                        Ok(Some(value)) => {
                            shared.counters.shared.inc();
                            return Ok(value);
                        }
                        Ok(None) => {}
                        Err(_) => break None,
                    }
                }
                Some(Look::Underway(_)) | None => break None,
            }
        };
        shared.counters.misses.inc();
        let (value, token) = load().await?;
        let value = Arc::new(value);
        if let Some(flight) = flight {
            flight.lands(&value, token.position());
        }
        Ok(value)
    }
}

impl<V> Clone for Cache<V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<V> fmt::Debug for Cache<V> {
    /// Without its values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("name", &self.0.shared.name).finish_non_exhaustive()
    }
}

/// What readers and the follower share.
pub(super) struct Shared<V> {
    pub(super) store: EventStore,
    pub(super) name: String,
    pub(super) counters: CacheCounters,
    /// How many losses of history have been heeded.
    losses: AtomicU64,
    entries: Mutex<Entries<V>>,
}

impl<V> Shared<V> {
    pub(super) fn new(store: &EventStore, name: String, entries: Entries<V>) -> Self {
        let (counters, losses) = (store.metrics().consumers.cache(&name), AtomicU64::new(0));
        // Those before are nothing to what is not kept yet.
        store.inner().known.lost_since(&losses);
        Self { store: store.clone(), name, counters, losses, entries: Mutex::new(entries) }
    }

    /// The entries. What was kept of a history that is known to be lost is gone: its positions say nothing of the new one's.
    pub(super) fn entries(&self) -> MutexGuard<'_, Entries<V>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if self.store.inner().known.lost_since(&self.losses).is_some() {
            entries.clear();
        }
        entries
    }

    /// What there is for a key; none where nothing is served.
    fn look(&self, key: &str, at_least: Position) -> Option<Look<V>> {
        let (mut entries, now) = (self.entries(), Instant::now());
        self.is_open(&entries, now).then(|| entries.look(key, at_least, now))
    }

    /// How long nothing may be heard.
    pub(super) fn patience(&self) -> Duration {
        self.store.poll_every().saturating_mul(2).saturating_add(SLACK)
    }

    /// Whether events come: something was heard lately, and no event is known that has been missing for long.
    fn is_open(&self, entries: &Entries<V>, now: Instant) -> bool {
        let patience = self.patience();
        entries.heard().is_some_and(|heard| {
            now.saturating_duration_since(heard.at) < patience
                && self.store.inner().heads.lag_of(heard.place) < patience
        })
    }
}

/// A load that others may wait for. Dropped before it has landed, the next of them loads.
struct Flight<V> {
    shared: Arc<Shared<V>>,
    ticket: Ticket<V>,
}

impl<V> Flight<V> {
    fn lands(self, value: &Arc<V>, position: Position) {
        self.shared.entries().lands(&self.ticket, value, position);
        self.ticket.tell.send_replace(Some((Arc::clone(value), position)));
    }
}

impl<V> Drop for Flight<V> {
    fn drop(&mut self) {
        self.shared.entries().is_over(&self.ticket);
    }
}
