//! How the servers of a handle are.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::error::Error;
use crate::query::{PageRequest, Source};
use crate::store::EventStore;

/// Orchestrators give a probe a second.
const ANSWER_WITHIN: Duration = Duration::from_millis(800);

/// How long ago a primary that has no connection to spare must have answered.
const SEEN_WITHIN: Duration = Duration::from_secs(5);

/// How the servers of a handle are, as it sees them now. See [`EventStore::health`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// The primary, which was asked.
    pub primary: PrimaryHealth,
    /// The replicas, as the last look found them.
    pub replicas: Vec<ReplicaHealth>,
    /// How many appends wait: those that waited when the last batch was sent, or those that came since if these are more.
    pub appends_waiting: u64,
}

/// How the primary is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PrimaryHealth {
    /// Its host and port.
    pub server: String,
    /// The position of the newest event; `None` if it could not be read: see `error`, or all connections are in use.
    pub head: Option<u64>,
    /// Why it could not be read.
    pub error: Option<String>,
}

/// How a replica is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ReplicaHealth {
    /// Its host and port.
    pub server: String,
    /// Whether reads are sent to it.
    pub in_rotation: bool,
    /// Why not.
    pub out_because: Option<String>,
    /// By how much it was behind when it was last looked at: how long this handle had known of events that it did not have.
    pub lag_seconds: f64,
    /// How many events that were.
    pub lag_events: u64,
    /// How much WAL of the primary it had not replayed, in bytes; 0 while it is not known how much there is.
    pub lag_bytes: u64,
}

impl Health {
    /// Whether decisions and appends can be made: the primary answers.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.primary.error.is_none()
    }
}

impl EventStore {
    /// How the servers are, within a second: the primary is asked for the log's head; of replicas it says what the last look at them found.
    pub async fn health(&self) -> Health {
        let (servers, metrics) = (&self.inner().servers, self.metrics());
        let (head, error) = match self.ask_primary().await {
            Ok(head) => (Some(head), None),
            // All connections are at work, and it has answered lately.
            Err(error) if error.is_exhausted() && servers.freshness.is_known(SEEN_WITHIN * 2) => (None, None),
            Err(error) => (None, Some(error.to_string())),
        };
        let primary = PrimaryHealth { server: servers.primary().server().to_owned(), head, error };
        let replicas = servers.replicas().iter().map(|replica| {
            let out_because = replica.out_because();
            ReplicaHealth {
                server: replica.pool().server().to_owned(),
                in_rotation: out_because.is_none(),
                out_because,
                lag_seconds: replica.lag.seconds.get(),
                lag_events: replica.lag.events.get().unsigned_abs(),
                lag_bytes: replica.lag.bytes.get().unsigned_abs(),
            }
        });
        let waited = u64::try_from(metrics.append_queue_depth.get()).unwrap_or_default();
        let appends_waiting = waited.max(self.writer().waiting() as u64);
        Health { primary, replicas: replicas.collect(), appends_waiting }
    }

    async fn ask_primary(&self) -> Result<u64, Error> {
        self.check_open()?;
        let deadline = Instant::now() + ANSWER_WITHIN;
        let page = self.reader().primary_page(&PageRequest::new(Source::Nothing), deadline).await?;
        Ok(page.head.position().get())
    }
}
