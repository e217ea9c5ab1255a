//! The call that begins a subscription.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::filter::Filter;
use crate::store::EventStore;
use crate::subscription::link::Link;
use crate::subscription::{Start, Subscription, check_name, check_not_reserved};
use crate::tail::{Feed, Side};
use crate::token::Token;

const SHORTEST_POLL: Duration = Duration::from_millis(1);

impl EventStore {
    /// Describes a subscription: all events that match a filter, from some point on, as they come. Its checkpoint, how far its
    /// reader says to have come, is kept under the name.
    ///
    /// ```no_run
    /// # use eventstore::{Error, EventStore, Filter, Start};
    /// async fn remind(store: &EventStore) -> Result<(), Error> {
    ///     let lent = Filter::event_types(["BookCopyLentToReader"]);
    ///     let mut subscription = store.subscription("reminders").filter(&lent).start(Start::Beginning).await?;
    ///     while let Some(batch) = subscription.next().await {
    ///         let batch = batch?;
    ///         for event in &batch {
    ///             println!("{} {}", event.position, event.payload);
    ///         }
    ///         batch.commit().await?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn subscription(&self, name: impl Into<String>) -> Subscribe {
        Subscribe::new(self, name.into())
    }

    /// Sets how often subscriptions and groups of this handle look for new events where nobody tells of any, instead of
    /// [`Settings::poll_every`](crate::Settings::poll_every): at once, also for those that wait already. Not less than a millisecond.
    pub fn set_poll_every(&self, interval: Duration) {
        self.inner().tails.poll_every(interval.max(SHORTEST_POLL));
    }

    /// How often that is.
    #[must_use]
    pub fn poll_every(&self) -> Duration {
        self.inner().tails.polls_every()
    }
}

/// A subscription that is being described; [`start`](Self::start) begins it. See [`EventStore::subscription`].
#[derive(Debug, Clone)]
#[must_use = "a subscription does nothing until it is started"]
pub struct Subscribe {
    store: EventStore,
    name: String,
    filter: Filter,
    side: Side,
    allow_scan: bool,
    has_checkpoint: bool,
    is_of_projection: bool,
}

impl Subscribe {
    pub(crate) fn new(store: &EventStore, name: String) -> Self {
        let (filter, side) = (Filter::all(), Side::Replica);
        let store = store.clone();
        Self { store, name, filter, side, allow_scan: false, has_checkpoint: true, is_of_projection: false }
    }

    /// The checkpoint of a projection's generation, or of a recomputed projection's keys.
    pub(crate) fn of_projection(store: &EventStore, name: String) -> Self {
        Self { is_of_projection: true, ..Self::new(store, name) }
    }

    /// Hands over the events that match this filter only; all of them unless said. The filter belongs to the checkpoint: the same
    /// name with another one is refused.
    pub fn filter(mut self, filter: &Filter) -> Self {
        self.filter = filter.clone();
        self
    }

    /// Reads the primary, instead of a replica: some milliseconds earlier, at its cost.
    pub fn from_primary(mut self) -> Self {
        self.side = Side::Primary;
        self
    }

    /// Keeps no checkpoint: each start begins where it says, any number may run at once, whatever their names, and nothing is
    /// written; the right to read is enough. For caches, and for whoever shows events as they come.
    pub fn ephemeral(mut self) -> Self {
        self.has_checkpoint = false;
        self
    }

    /// Accepts that catching up reads all events where the filter has a path without an index.
    pub fn allow_scan(mut self) -> Self {
        self.allow_scan = true;
        self
    }

    /// Begins: where the checkpoint is, or, if there is none yet, where `start` says.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a name or filter that is not valid, or another filter than the
    /// checkpoint was made with;
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if somebody else holds the subscription, or the primary does not answer;
    /// [`HistoryDiverged`](crate::ErrorKind::HistoryDiverged) if the log does not have the event of the checkpoint, or of the token;
    /// [`Closed`](crate::ErrorKind::Closed).
    ///
    /// # Cancellation
    /// Begun or not; what was begun counts as dead after two heartbeats.
    pub async fn start(self, start: Start) -> Result<Subscription, Error> {
        self.store.check_open()?;
        check_name("subscription", &self.name)?;
        if !self.is_of_projection {
            check_not_reserved(&self.name)?;
        }
        let fingerprint = self.filter.fingerprint()?;
        if self.has_checkpoint {
            let (link, place) = Link::hold(&self.store, &self.name, fingerprint, start).await?;
            let link = Arc::new(link);
            let feed = self.feed(place)?;
            if !self.store.inner().heart.hold(Arc::downgrade(&link)) {
                return Err(Error::closed());
            }
            return Ok(Subscription::new(feed, Some(link), self.store));
        }
        let place = match start {
            Start::Now => self.store.head().await?,
            Start::Beginning | Start::After(_) => start.place().0,
        };
        Ok(Subscription::new(self.feed(place)?, None, self.store))
    }

    fn feed(&self, place: Token) -> Result<Feed, Error> {
        Feed::new(&self.store, &self.filter, self.side, self.allow_scan, place)
    }
}
