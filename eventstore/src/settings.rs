//! Limits and deadlines, as plain data.

use std::time::Duration;

use tokio::sync::Semaphore;

use crate::error::Error;

/// Half of what PostgreSQL takes in one message, as sizes are estimates.
const MAX_MESSAGE_BYTES: usize = 512 << 20;
/// What PostgreSQL takes at most (`max_connections`).
const MAX_CONNECTIONS: usize = 262_143;

const SHORTEST_REAP: Duration = Duration::from_millis(10);
const LONGEST_REAP: Duration = Duration::from_secs(30);

/// Limits and deadlines of one store handle. Every default says why.
///
/// ```
/// use std::time::Duration;
/// use eventstore::Settings;
///
/// let mut settings = Settings::default();
/// settings.append_timeout = Duration::from_secs(2);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Connections to each server, at most. 8: a read takes less than a millisecond, so that 8 connections serve some ten
    /// thousand a second. More of them than twice the server's processors compete for these: with 50 clients on two
    /// processors 16 made 9 % fewer decisions a second than 8, and 5 made 9 % more. Appends, heartbeats of subscriptions and the watch have
    /// connections of their own; members of groups, process managers and recomputed projections beat on these: reads that hold all of them
    /// for two [heartbeats](Self::heartbeat_every) make those count as dead.
    pub pool_size: usize,
    /// Whether statements are prepared, once for the life of each connection. On: planning is the greater part of a small
    /// query. Off for a pooler that lends sessions for a transaction at a time and knows no prepared statements, as
    /// PgBouncer in transaction mode does, before 1.21 or with `max_prepared_statements` at 0: every call is then one
    /// message, with nothing left in the session.
    pub prepared_statements: bool,
    /// How old a connection may get before another one takes its place, when nobody uses it. 30 minutes: the memory of a session
    /// grows with what it has done, and behind a load balancer connections come to where servers were added.
    pub connection_lifetime: Duration,
    /// How long a connection may lie unused before it is closed. 10 minutes: what a burst has opened is of no use afterwards, and
    /// takes some megabytes of the server's memory. Looked at when connections are handed out.
    pub connection_idle: Duration,
    /// How long a read may wait for a connection that is in use by others, within its own time. 10 s: then more is asked for than can
    /// be answered, and whoever is told so early does not ask again meanwhile.
    pub acquire_timeout: Duration,
    /// How long opening one connection may take, to each host of a connection string. 5 s: longer than any healthy network, short enough to tell a person.
    pub connect_timeout: Duration,
    /// How long a read may take in all, waiting for a connection included. 30 s: reads of whole logs go by pages,
    /// and each page has this long.
    pub query_timeout: Duration,
    /// How long an append may take in all, queueing and retries included. 10 s: outlasts a restart of the server.
    pub append_timeout: Duration,
    /// How many appends may wait in this handle; the next one waits for a place. 1,024: about 40 ms of work.
    pub append_queue: usize,
    /// How many events one batch may hold. 1,000: some 25 ms under the log's lock.
    pub max_batch_events: usize,
    /// How many bytes of events and conditions one batch may hold; a single append may exceed it. 4 MiB.
    pub max_batch_bytes: usize,
    /// How many events one append may have. 1,000: they are written under one lock.
    pub max_events_per_append: usize,
    /// How many bytes the events and conditions of one append may have. 64 MiB: PostgreSQL takes less than 1 GiB in one
    /// message, and all other appends wait meanwhile.
    pub max_append_bytes: usize,
    /// How long the payload, and the metadata, of one event may be as JSON text. 1 MiB.
    pub max_payload_bytes: usize,
    /// How many times [`decide`](crate::EventStore::decide) decides before it gives a conflict back. 7: with pauses that
    /// double from 5 ms they outlast a short burst of rivals.
    pub decide_attempts: usize,
    /// How many events a page of a query or stream holds. 1,000: about 400 KB of typical events.
    pub page_size: usize,
    /// How many bytes of payload and metadata a page holds: it ends with the event that reaches them. 16 MiB.
    pub max_page_bytes: usize,
    /// How many events that do not match the conditions of one batch may pass over under the log's lock, all together,
    /// but at least 16 for each value or type that is searched. A condition that finds more is searched by a read first,
    /// which holds nothing up. 1,000: some 2 ms for events of a kilobyte.
    pub max_batch_rechecks: usize,
    /// How long a read that needs [`AtLeast`](crate::Consistency::AtLeast) waits for a replica to come as far. 50 ms: a replica
    /// that keeps up has an append within a few.
    pub replica_wait: Duration,
    /// Who reads where no replica can: none is in rotation, or none is new enough. The primary.
    pub replica_fallback: ReplicaFallback,
    /// How often each server is looked at, where there are replicas. 500 ms: a replica that fell silent leaves the rotation within
    /// a second and a half, one that came back is used again within half a second; it takes a connection and two small statements a
    /// second, of the primary too.
    pub replica_watch_every: Duration,
    /// How far a replica may be behind before reads pass it over. 60 s: one that is minutes behind has a fault, and
    /// those who read it would take it for the present.
    pub replica_max_lag: Duration,
    /// How often subscriptions and groups look for new events where nobody tells of any. 5 s: what others append is told by
    /// notifications, within milliseconds; this is for those that are lost. A look takes one index probe for all of a handle's
    /// subscriptions together. Behind a pooler that lends sessions for a transaction at a time, and without
    /// [`listen`](crate::EventStoreBuilder::listen), it is all there is: make it shorter.
    /// [`EventStore::set_poll_every`](crate::EventStore::set_poll_every) changes it while they run.
    pub poll_every: Duration,
    /// How often a handle says that it still holds its subscriptions and takes part in its groups, in one statement for each kind.
    /// 5 s: who misses two is shown as dead, and somebody else may go on in its place.
    pub heartbeat_every: Duration,
}

/// What becomes of a read that no replica can answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ReplicaFallback {
    /// The primary answers it.
    #[default]
    Primary,
    /// It fails as [`Unavailable`](crate::ErrorKind::Unavailable): the primary has work enough. A store without replicas reads the
    /// primary all the same.
    Fail,
}

impl Settings {
    /// How often connections are looked at that may have become too old.
    pub(crate) fn reap_every(&self) -> Duration {
        (self.connection_lifetime.min(self.connection_idle) / 2).clamp(SHORTEST_REAP, LONGEST_REAP)
    }

    /// Refuses limits with which nothing could ever be done.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let limits = [
            ("pool_size", self.pool_size),
            ("append_queue", self.append_queue),
            ("max_batch_events", self.max_batch_events),
            ("max_batch_bytes", self.max_batch_bytes),
            ("max_batch_rechecks", self.max_batch_rechecks),
            ("max_events_per_append", self.max_events_per_append),
            ("decide_attempts", self.decide_attempts),
            ("page_size", self.page_size),
            ("max_page_bytes", self.max_page_bytes),
        ];
        if let Some((name, _)) = limits.iter().find(|(_, limit)| *limit == 0) {
            return Err(Error::invalid(format!("setting {name} is 0; expected at least 1")));
        }
        let timeouts = [
            ("connection_lifetime", self.connection_lifetime),
            ("connection_idle", self.connection_idle),
            ("acquire_timeout", self.acquire_timeout),
            ("connect_timeout", self.connect_timeout),
            ("query_timeout", self.query_timeout),
            ("append_timeout", self.append_timeout),
            ("replica_watch_every", self.replica_watch_every),
            ("poll_every", self.poll_every),
            ("heartbeat_every", self.heartbeat_every),
        ];
        if let Some((name, _)) = timeouts.iter().find(|(_, timeout)| timeout.is_zero()) {
            return Err(Error::invalid(format!("setting {name} is 0; nothing can be done in no time")));
        }
        let sizes = [("max_batch_bytes", self.max_batch_bytes), ("max_append_bytes", self.max_append_bytes)];
        if let Some((name, bytes)) = sizes.iter().find(|(_, bytes)| *bytes > MAX_MESSAGE_BYTES) {
            return Err(Error::invalid(format!(
                "setting {name} is {bytes}; expected at most {MAX_MESSAGE_BYTES}, as PostgreSQL takes less than 1 GiB in \
                 one message"
            )));
        }
        let counts = [
            ("pool_size", self.pool_size, MAX_CONNECTIONS),
            ("append_queue", self.append_queue, Semaphore::MAX_PERMITS),
        ];
        match counts.iter().find(|(_, count, most)| count > most) {
            Some((name, count, most)) => {
                Err(Error::invalid(format!("setting {name} is {count}; expected at most {most}")))
            }
            None => Ok(()),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            pool_size: 8,
            prepared_statements: true,
            connection_lifetime: Duration::from_secs(30 * 60),
            connection_idle: Duration::from_secs(10 * 60),
            acquire_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            query_timeout: Duration::from_secs(30),
            append_timeout: Duration::from_secs(10),
            append_queue: 1_024,
            max_batch_events: 1_000,
            max_batch_bytes: 4 << 20,
            max_events_per_append: 1_000,
            max_append_bytes: 64 << 20,
            max_payload_bytes: 1 << 20,
            decide_attempts: 7,
            page_size: 1_000,
            max_page_bytes: 16 << 20,
            max_batch_rechecks: 1_000,
            replica_wait: Duration::from_millis(50),
            replica_fallback: ReplicaFallback::Primary,
            replica_watch_every: Duration::from_millis(500),
            replica_max_lag: Duration::from_secs(60),
            poll_every: Duration::from_secs(5),
            heartbeat_every: Duration::from_secs(5),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Why they are refused.
    fn refusal(change: impl FnOnce(&mut Settings)) -> String {
        let mut settings = Settings::default();
        change(&mut settings);
        settings.check().unwrap_err().to_string()
    }

    #[test]
    fn limits_with_which_nothing_could_be_done_are_refused_by_name() {
        Settings::default().check().unwrap();
        let refusals = [
            ("max_page_bytes is 0", refusal(|settings| settings.max_page_bytes = 0)),
            ("poll_every is 0", refusal(|settings| settings.poll_every = Duration::ZERO)),
            ("append_queue is", refusal(|settings| settings.append_queue = usize::MAX)),
            ("pool_size is", refusal(|settings| settings.pool_size = usize::MAX)),
            ("max_append_bytes is", refusal(|settings| settings.max_append_bytes = usize::MAX)),
        ];
        for (expected, refusal) in refusals {
            assert!(refusal.contains(expected), "{refusal}");
        }
        Settings { append_queue: Semaphore::MAX_PERMITS, ..Settings::default() }.check().unwrap();
    }
}
