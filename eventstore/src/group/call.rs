//! The call that takes part in a group.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::error::Error;
use crate::filter::{Filter, FilterFingerprint};
use crate::group::Worker;
use crate::group::calls::{Calls, Terms};
use crate::group::membership::{Backoff, Membership};
use crate::group::order::{CheckedOrder, Order};
use crate::pool::{self, Param};
use crate::position::Position;
use crate::sql::{self, group};
use crate::sqlstate;
use crate::store::EventStore;
use crate::subscription::{Start, check_name, who};
use crate::tail::{Feed, Side};
use crate::token::Token;
use crate::visibility::once_visible;

const LEASE: Duration = Duration::from_secs(30);
const TIME_LIMIT: Duration = Duration::from_secs(300);
const MAX_ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
const SHORTEST_LEASE: Duration = Duration::from_millis(100);
/// How many events that follow one under its key are claimed together with it.
const RUN: i32 = 31;
/// Clocks are set by less than that without a jump.
const MARGIN: Duration = Duration::from_secs(60);
/// No statement of a group takes longer unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(5);

impl EventStore {
    /// Describes a consumer group: the events that match a filter, each handed to one of many workers, on as many machines. How far
    /// the group is, and what is under way, is kept in the database under its name.
    ///
    /// ```no_run
    /// # use eventstore::{Delivery, Error, EventStore, Filter, Start};
    /// async fn work(store: &EventStore) -> Result<(), Error> {
    ///     let lent = Filter::event_types(["BookCopyLentToReader"]);
    ///     let group = store.consumer_group("mailers").filter(&lent).ordered_by("ReaderID");
    ///     let worker = group.start(Start::Beginning).await?;
    ///     let mail = async |mail: Delivery| -> Result<(), String> {
    ///         println!("mail to {}", mail.payload["ReaderID"]);
    ///         Ok(())
    ///     };
    ///     // Eight at once, for as long as nobody presses Ctrl-C.
    ///     let until = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
    ///     worker.run(8, move |delivery| mail(delivery)).until(until).await
    /// }
    /// ```
    pub fn consumer_group(&self, name: impl Into<String>) -> ConsumerGroup {
        ConsumerGroup::new(self, name.into())
    }
}

/// A consumer group that is being described; [`start`](Self::start) takes part in it. See [`EventStore::consumer_group`].
#[derive(Debug, Clone)]
#[must_use = "nobody takes part in a group before it is started"]
pub struct ConsumerGroup {
    store: EventStore,
    name: String,
    filter: Filter,
    order: Order,
    side: Side,
    allow_scan: bool,
    lease: Duration,
    time_limit: Duration,
    max_attempts: u32,
    backoff: Backoff,
}

impl ConsumerGroup {
    fn new(store: &EventStore, name: String) -> Self {
        Self {
            store: store.clone(),
            name,
            filter: Filter::all(),
            order: Order::None,
            side: Side::Replica,
            allow_scan: false,
            lease: LEASE,
            time_limit: TIME_LIMIT,
            max_attempts: MAX_ATTEMPTS,
            backoff: Backoff { first: FIRST_PAUSE, longest: LONGEST_PAUSE },
        }
    }

    /// Shares the events that match this filter; all of them unless said. It belongs to the group: the same name with another one is
    /// refused.
    pub fn filter(mut self, filter: &Filter) -> Self {
        self.filter = filter.clone();
        self
    }

    /// Keeps the order of events that have the same value at this path (`ReaderID`, `customer.id`): the next one is handed over when
    /// the one before it is done. Of an array the first value counts; events without a value have no order. Without this, or
    /// [`exclusive`](Self::exclusive), all events are handed over as soon as somebody wants one. It belongs to the group, as the
    /// filter does.
    pub fn ordered_by(mut self, path: impl Into<String>) -> Self {
        self.order = Order::By(path.into());
        self
    }

    /// Keeps the order of all events: one worker at a time has any, and the others stand by.
    pub fn exclusive(mut self) -> Self {
        self.order = Order::All;
        self
    }

    /// Finds new events on the primary, instead of a replica: some milliseconds earlier, at its cost.
    pub fn from_primary(mut self) -> Self {
        self.side = Side::Primary;
        self
    }

    /// Accepts that catching up reads all events where the filter has a path without an index.
    pub fn allow_scan(mut self) -> Self {
        self.allow_scan = true;
        self
    }

    /// Sets for how long an event belongs to whoever has claimed it, if no sign of life comes: 30 seconds unless said. While the
    /// process lives leases are made to last longer, each third of this. Shorter finds the dead earlier; much shorter than a pause of
    /// the network, or of the process, takes the living for dead.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Sets how long one attempt may take: 5 minutes unless said. Then its lease is not made longer, and [`Worker::run`] gives the
    /// handler up.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Sets how often an event is handed over before it is parked: 5 times unless said.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// Sets how long to wait before the second attempt, and at most: each pause is twice the last one, give or take a tenth. From one
    /// second to five minutes unless said.
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.backoff = Backoff { first, longest };
        self
    }

    /// Takes part in the group, which is made if need be, and begins then where `start` says.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a name, filter, path or setting that is not valid, or another filter or order than
    /// the group was made with; [`HistoryDiverged`](crate::ErrorKind::HistoryDiverged) if the log does not have the event of the
    /// token, or the one that the group has come to; [`Unavailable`](crate::ErrorKind::Unavailable);
    /// [`Closed`](crate::ErrorKind::Closed).
    ///
    /// # Cancellation
    /// Taking part or not; a member that never says anything counts as dead after two heartbeats.
    pub async fn start(self, start: Start) -> Result<Worker, Error> {
        self.store.check_open()?;
        check_name("group", &self.name)?;
        let (order, fingerprint) = (self.order.check()?, self.filter.fingerprint()?);
        self.check()?;
        let member = Uuid::now_v7();
        let join = || self.join(&order, fingerprint, Some(start), member);
        let (group, fed) = once_visible(self.store.read_deadline(), join).await?;
        let inner = self.store.inner();
        let timeout = PATIENCE.min(inner.settings.query_timeout);
        let calls = Calls::new(Arc::clone(inner.servers.primary()), &inner.schema, group, member, timeout);
        let terms = Terms {
            lease: self.lease,
            max_attempts: i32::try_from(self.max_attempts).unwrap_or(i32::MAX),
            run: if order.text == "none" { 0 } else { RUN },
        };
        let feed = Feed::new(&self.store, &self.filter, self.side, self.allow_scan, fed)?;
        let membership = Membership {
            store: self.store.clone(),
            name: self.name.clone(),
            calls: Arc::new(calls),
            terms,
            time_limit: self.time_limit,
            backoff: self.backoff,
            group: self,
        };
        Ok(Worker::new(membership, feed, fed))
    }

    fn check(&self) -> Result<(), Error> {
        if self.max_attempts == 0 {
            return Err(Error::invalid("group hands events over 0 times; expected at least 1"));
        }
        if self.lease < SHORTEST_LEASE {
            let lease = self.lease;
            return Err(Error::invalid(format!(
                "group has leases of {lease:?}; expected at least {SHORTEST_LEASE:?}"
            )));
        }
        if self.time_limit.is_zero() {
            return Err(Error::invalid("group has a time limit of 0; nothing can be done in no time"));
        }
        if self.backoff.first > self.backoff.longest {
            let Backoff { first, longest } = self.backoff;
            return Err(Error::invalid(format!(
                "group has a first pause of {first:?}, more than the longest, {longest:?}"
            )));
        }
        let longest = Duration::from_secs(30 * 24 * 60 * 60);
        if self.lease.max(self.backoff.longest).max(self.backoff.first) > longest {
            return Err(Error::invalid(format!("group has a lease or pause of more than {longest:?}")));
        }
        Ok(())
    }

    /// A feed that begins where the group is now, and that place.
    pub(super) async fn feed_again(&self, group: i32, member: Uuid) -> Result<(Feed, Token), Error> {
        let (order, fingerprint) = (self.order.check()?, self.filter.fingerprint()?);
        let (now, fed) = self.join(&order, fingerprint, None, member).await?;
        if now != group {
            return Err(Error::invalid(format!("group {:?} was deleted, and made anew", self.name)));
        }
        Ok((Feed::new(&self.store, &self.filter, self.side, self.allow_scan, fed)?, fed))
    }

    /// The number of the group, and up to where it was fed.
    async fn join(
        &self,
        order: &CheckedOrder,
        fingerprint: FilterFingerprint,
        start: Option<Start>,
        member: Uuid,
    ) -> Result<(i32, Token), Error> {
        let inner = self.store.inner();
        let (token, from_head) = start.unwrap_or_default().place();
        let (position, id) = (start.map(|_| token.position().to_sql()), token.event_id().uuid());
        let horizon = self.lease.max(self.backoff.longest).saturating_mul(2).saturating_add(MARGIN);
        let horizon = horizon.as_secs_f64() * 1e3;
        let (fingerprint, label) = (fingerprint.as_bytes(), who());
        let beat_every = (self.lease / 3).as_secs_f64() * 1e3;
        let params: [Param<'_>; 11] = [
            (&self.name, Type::TEXT),
            (&fingerprint, Type::BYTEA),
            (&order.text, Type::TEXT),
            (&order.extract, Type::TEXT),
            (&position, Type::INT8),
            (&id, Type::UUID),
            (&from_head, Type::BOOL),
            (&member, Type::UUID),
            (&label, Type::TEXT),
            (&beat_every, Type::FLOAT8),
            (&horizon, Type::FLOAT8),
        ];
        let (sql, primary) = (sql::for_schema(group::JOIN, &inner.schema), inner.servers.primary());
        let rows = pool::read(primary, &sql, &params, self.store.read_deadline()).await?;
        let row = rows.first().ok_or_else(|| Error::internal("a group was joined without an answer"))?;
        let joined = self.joined(row, order).map_err(|error| sqlstate::classify(&error, primary.server()))?;
        joined.map_err(|error| inner.known.explain(error))
    }

    fn joined(
        &self,
        row: &Row,
        order: &CheckedOrder,
    ) -> Result<Result<(i32, Token), Error>, tokio_postgres::Error> {
        let (name, verdict) = (&self.name, row.try_get::<_, &str>(0)?);
        let fed = Position::from_sql(row.try_get::<_, Option<i64>>(2)?.unwrap_or_default());
        Ok(match verdict {
            "joined" => Ok((row.try_get(1)?, Token::stored(fed, row.try_get(3)?))),
            "missing" => Err(Error::invalid(format!("group {name:?} was deleted"))),
            "filter" => Err(Error::invalid(format!(
                "group {name:?} was made with another filter, and its work with it. Begin under a new name after the old one's \
                 checkpoint (EventStore::group_status tells it), when the old one has nothing left to do; or delete the old one first \
                 (EventStore::delete_group)"
            ))),
            "order" => Err(Error::invalid(format!(
                "group {name:?} keeps another order: {:?}; expected {:?}. What is under way was claimed by the old one. Begin under \
                 a new name after the old one's checkpoint (EventStore::group_status tells it), when that has nothing left to do; or \
                 delete the old one first (EventStore::delete_group)",
                row.try_get::<_, &str>(4)?,
                order.text
            ))),
            "diverged" => Err(Error::diverged(
                fed,
                format!(
                    "group {name:?}: the log does not have the event at position {fed} that it should go on from. It was lost in a \
                     failover or by a restore, or is of another log; EventStore::reset_group has it begin elsewhere"
                ),
            )),
            _ => Err(Error::internal("a group was joined without a verdict")),
        })
    }
}
