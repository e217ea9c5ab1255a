//! What a subscription hands over.

use std::fmt;
use std::ops::Index;
use std::sync::Arc;

use tokio_postgres::GenericClient;

use crate::error::Error;
use crate::event::RecordedEvent;
use crate::subscription::link::Link;
use crate::tail::Chunk;
use crate::token::Token;

/// Events that match, in their order, at least one. Say that they are done with by [`commit`](Self::commit).
#[derive(Clone)]
pub struct Batch {
    chunk: Chunk,
    /// None where there is no checkpoint.
    link: Option<Arc<Link>>,
}

impl Batch {
    pub(super) fn new(chunk: Chunk, link: Option<Arc<Link>>) -> Self {
        Self { chunk, link }
    }

    /// How many events it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.chunk.len()
    }

    /// Whether it has none; it never is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chunk.is_empty()
    }

    /// One of its events, counted from 0.
    #[must_use]
    pub fn get(&self, nth: usize) -> Option<&RecordedEvent> {
        self.chunk.get(nth)
    }

    /// Its events, in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &RecordedEvent> + DoubleEndedIterator {
        self.chunk.iter()
    }

    /// The point in history up to which everything has been handed over with it: the checkpoint, when it is committed.
    #[must_use]
    pub fn token(&self) -> Token {
        self.chunk.complete()
    }

    /// Moves the checkpoint here, for as long as the subscription is held: this batch, and all before it, are done with. A checkpoint never moves back: committed again,
    /// or after a later one, it stays.
    ///
    /// # Errors
    /// [`LeaseLost`](crate::ErrorKind::LeaseLost) if the subscription is held by somebody else now: nothing was committed;
    /// [`HistoryDiverged`](crate::ErrorKind::HistoryDiverged) if a failover lost the events, or what was committed before: start again;
    /// [`Invalid`](crate::ErrorKind::Invalid) for an [ephemeral](crate::Subscribe::ephemeral) subscription;
    /// [`Unavailable`](crate::ErrorKind::Unavailable): committed or not, do it again; [`Closed`](crate::ErrorKind::Closed).
    ///
    /// # Cancellation
    /// Committed or not.
    pub async fn commit(&self) -> Result<(), Error> {
        self.link()?.commit(self.token()).await
    }

    /// The same in a transaction of the caller's, on the log's database: what it did for these events and the checkpoint are
    /// committed together or not at all. The subscription knows of it when the transaction has been committed. Do it last: from here to
    /// the end of the transaction no heartbeat is noted, and a holder that is silent for longer counts as dead.
    ///
    /// ```no_run
    /// # use eventstore::Batch;
    /// async fn project(batch: &Batch, client: &mut tokio_postgres::Client) -> Result<(), Box<dyn std::error::Error>> {
    ///     let transaction = client.transaction().await?;
    ///     for event in batch.iter() {
    ///         transaction.execute("INSERT INTO seen (id) VALUES ($1)", &[&event.id.uuid()]).await?;
    ///     }
    ///     batch.commit_in(&transaction).await?;
    ///     Ok(transaction.commit().await?)
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`commit`](Self::commit): end the transaction then. At a higher isolation level than read committed a transaction that
    /// began before the events were appended is refused as [`Unavailable`](crate::ErrorKind::Unavailable): it can not see them; and
    /// one that is older than the last heartbeat by PostgreSQL (40001): begin it anew.
    ///
    /// # Cancellation
    /// The transaction tells.
    pub async fn commit_in<C: GenericClient + Sync>(&self, client: &C) -> Result<(), Error> {
        self.link()?.commit_in(client, self.token()).await
    }

    /// As [`commit_in`](Self::commit_in), for its events up to a token.
    pub(crate) async fn commit_up_to<C: GenericClient + Sync>(
        &self,
        client: &C,
        token: Token,
    ) -> Result<(), Error> {
        self.link()?.commit_in(client, token).await
    }

    /// A transaction with such a commit in it was committed.
    pub(crate) fn is_committed(&self, token: Token) {
        if let Some(link) = &self.link {
            link.is_committed(token.position());
        }
    }

    fn link(&self) -> Result<&Arc<Link>, Error> {
        self.link.as_ref().ok_or_else(|| {
            Error::invalid("an ephemeral subscription has no checkpoint; leave `ephemeral` out to have one")
        })
    }
}

impl Index<usize> for Batch {
    type Output = RecordedEvent;

    fn index(&self, nth: usize) -> &RecordedEvent {
        self.get(nth).expect("an event of a batch is asked for by a number below its length")
    }
}

impl<'a> IntoIterator for &'a Batch {
    type Item = &'a RecordedEvent;
    type IntoIter = Box<dyn Iterator<Item = &'a RecordedEvent> + Send + 'a>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.iter())
    }
}

impl fmt::Debug for Batch {
    /// Without its events.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("len", &self.len())
            .field("token", &self.token())
            .finish_non_exhaustive()
    }
}
