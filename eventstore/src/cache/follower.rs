//! The task that tells a cache of events. States and failures: see the [module](super).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use crate::cache::handle::Shared;
use crate::error::{Error, ErrorKind};
use crate::event::RecordedEvent;
use crate::filter::Filter;
use crate::tail::{Chunk, Feed, Side};
use crate::token::Token;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Which key an event changes.
pub(super) type KeyOf = dyn Fn(&RecordedEvent) -> Option<String> + Send + Sync;

pub(super) struct Follower<V> {
    shared: Arc<Shared<V>>,
    filter: Filter,
    key: Box<KeyOf>,
}

impl<V: Send + Sync + 'static> Follower<V> {
    pub(super) fn new(shared: Arc<Shared<V>>, filter: Filter, key: Box<KeyOf>) -> Self {
        Self { shared, filter, key }
    }

    /// Tells of events after a place, until the store is closed. The entries have begun there.
    pub(super) async fn run(self, from: Token) {
        let closing = self.shared.store.inner().tails.closing().clone();
        tokio::select! {
            biased;
            () = closing.cancelled() => {}
            () = self.go_on(from) => {}
        }
    }

    async fn go_on(&self, mut from: Token) {
        let mut pause = FIRST_PAUSE;
        loop {
            let began = Instant::now();
            let Err(error) = self.follow(from).await;
            self.shared.entries().end();
            if error.kind() == ErrorKind::Closed {
                return;
            }
            warn!(%error, cache = self.shared.name, "events can not be followed, nothing is served from the cache");
            if began.elapsed() > LONGEST_PAUSE {
                pause = FIRST_PAUSE;
            }
            from = self.head(&mut pause).await;
            self.shared.entries().begin(from.position(), Instant::now());
            info!(cache = self.shared.name, "events are followed again");
        }
    }

    /// Tells of what comes, until that fails.
    async fn follow(&self, from: Token) -> Result<Infallible, Error> {
        let mut feed = Feed::new(&self.shared.store, &self.filter, Side::Replica, false, from)?;
        // Everything up to there has been handed over when this is called.
        let progress = |place: Token| {
            let patience = self.shared.patience();
            self.shared.entries().hears(place.position(), Instant::now(), patience);
        };
        loop {
            let chunk = feed.next(&progress).await?;
            self.tell(&chunk);
        }
    }

    fn tell(&self, chunk: &Chunk) {
        // The function is the application's: it is called without the lock.
        let changes: Vec<_> =
            chunk.iter().filter_map(|event| Some(((self.key)(event)?, event.position))).collect();
        let dropped = {
            let mut entries = self.shared.entries();
            let dropped = changes.iter().filter(|(key, at)| entries.has_changed(key, *at)).count();
            entries.hears(chunk.complete().position(), Instant::now(), self.shared.patience());
            dropped
        };
        self.shared.counters.changes(changes.len(), dropped);
    }

    /// Where the log ends, as soon as the primary says so.
    async fn head(&self, pause: &mut Duration) -> Token {
        loop {
            sleep(*pause).await;
            *pause = (*pause * 2).min(LONGEST_PAUSE);
            match self.shared.store.head().await {
                Ok(head) => return head,
                Err(error) => debug!(%error, cache = self.shared.name, "events can still not be followed"),
            }
        }
    }
}

impl<V> Drop for Follower<V> {
    /// However it ends: nobody tells of events any more.
    fn drop(&mut self) {
        self.shared.entries().end();
    }
}
