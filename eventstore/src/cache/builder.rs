//! The call that begins a cache.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::cache::Cache;
use crate::cache::entries::Entries;
use crate::cache::follower::{Follower, KeyOf};
use crate::cache::handle::Shared;
use crate::error::Error;
use crate::event::RecordedEvent;
use crate::filter::Filter;
use crate::store::EventStore;
use crate::subscription::check_name;

/// What a reader of a page need not notice, and long enough for a hundred reads of what is worth it.
const MAX_AGE: Duration = Duration::from_secs(30);
/// Some 10 MB of values of a kilobyte.
const CAPACITY: usize = 10_000;

impl EventStore {
    /// Describes a cache: values that are read much more often than written, kept in memory by key, and dropped by the events that change
    /// them. The filter names these events, and the function the key that each of them changes, if it changes any. The name is
    /// that of its metrics.
    ///
    /// Keep only what is read a hundred times for each time that it is written ([`CacheStats::reads_per_write`](crate::CacheStats) tells),
    /// what may be some seconds old, and what one key drops. Decisions read the log, and never a cache; whoever has just
    /// written reads with [`get_at_least`](Cache::get_at_least).
    ///
    /// ```no_run
    /// # use eventstore::{Cache, Error, EventStore, Filter, Token};
    /// async fn titles(store: &EventStore) -> Result<Cache<String>, Error> {
    ///     let renamed = Filter::event_types(["ChatRenamed"]);
    ///     let key = |event: &eventstore::RecordedEvent| event.payload["ChatID"].as_str().map(str::to_owned);
    ///     store.cache("titles", &renamed, key).start().await
    /// }
    ///
    /// async fn load(store: &EventStore, chat: &str) -> Result<(String, Token), Error> {
    ///     let renamed = Filter::event_types(["ChatRenamed"]).and_all([("ChatID", chat)]);
    ///     let last = store.query(&renamed).backwards().limit(1).await?;
    ///     let title = last.first().and_then(|event| event.payload["Title"].as_str()).unwrap_or_default();
    ///     Ok((title.to_owned(), last.token()))
    /// }
    ///
    /// async fn show(store: &EventStore, titles: &Cache<String>) -> Result<(), Error> {
    ///     let title = titles.get("lobby", || load(store, "lobby")).await?;
    ///     println!("{title}");
    ///     Ok(())
    /// }
    /// ```
    pub fn cache<V: Send + Sync + 'static>(
        &self,
        name: impl Into<String>,
        filter: &Filter,
        key: impl Fn(&RecordedEvent) -> Option<String> + Send + Sync + 'static,
    ) -> CacheBuilder<V> {
        CacheBuilder {
            store: self.clone(),
            name: name.into(),
            filter: filter.clone(),
            key: Box::new(key),
            max_age: MAX_AGE,
            capacity: CAPACITY,
            values: PhantomData,
        }
    }
}

/// A cache that is being described; [`start`](Self::start) begins it. See [`EventStore::cache`].
#[must_use = "a cache does nothing until it is started"]
pub struct CacheBuilder<V> {
    store: EventStore,
    name: String,
    filter: Filter,
    key: Box<KeyOf>,
    max_age: Duration,
    capacity: usize,
    values: PhantomData<fn() -> V>,
}

impl<V: Send + Sync + 'static> CacheBuilder<V> {
    /// Sets after how long a value is loaded again in any case, counted from when its load began; 30 seconds unless said. It bounds how
    /// stale a value can be where events do not come and nobody notices.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// Sets how many values are kept, of whatever size; 10,000 unless said. Where there are more, the one that was used longest ago goes.
    pub fn capacity(mut self, entries: usize) -> Self {
        self.capacity = entries;
        self
    }

    /// Begins, with nothing kept. Asks the primary where the log ends.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a name or filter that is not valid, a path without an index, a capacity or age of 0;
    /// [`Unavailable`](crate::ErrorKind::Unavailable); [`HistoryDiverged`](crate::ErrorKind::HistoryDiverged) if a failover loses
    /// the end of the log at that moment; [`Closed`](crate::ErrorKind::Closed).
    ///
    /// # Cancellation
    /// Begun or not; nothing is left of one that was not.
    pub async fn start(self) -> Result<Cache<V>, Error> {
        let Self { store, name, filter, key, max_age, capacity, values: _ } = self;
        store.check_open()?;
        check_name("cache", &name)?;
        if capacity == 0 || max_age.is_zero() {
            return Err(Error::invalid(format!(
                "cache {name:?} has a capacity of {capacity} and a greatest age of {max_age:?}; expected more than 0"
            )));
        }
        let from = store.head().await?;
        // Says what is wrong with the filter: the follower could only say it in the log.
        store.query(&filter).after(from).limit(1).await?;
        let shared = Arc::new(Shared::new(&store, name, Entries::new(capacity, max_age)));
        shared.entries().begin(from.position(), Instant::now());
        let follower = Follower::new(Arc::clone(&shared), filter, key);
        // Closing the store waits for it there.
        let task = store.inner().members.spawn(follower.run(from));
        Ok(Cache::new(shared, AbortOnDropHandle::new(task)))
    }
}

impl<V> fmt::Debug for CacheBuilder<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheBuilder")
            .field("name", &self.name)
            .field("max_age", &self.max_age)
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}
