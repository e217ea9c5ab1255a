//! What an application says of a recomputed projection.

use tokio_postgres::Transaction;

use crate::event::RecordedEvent;
use crate::filter::Filter;
use crate::projection::ApplyError;
use crate::token::Token;

/// A view whose rows are computed anew from the log, key by key. Run it with [`EventStore::recomputed`](crate::EventStore::recomputed).
///
/// ```no_run
/// use eventstore::{ApplyError, Consistency, EventStore, Filter, Recomputed, RecordedEvent, Token};
/// use tokio_postgres::Transaction;
///
/// struct Votes {
///     store: EventStore,
/// }
///
/// impl Recomputed for Votes {
///     type View = i64;
///
///     fn name(&self) -> &str {
///         "votes"
///     }
///
///     fn filter(&self) -> Filter {
///         Filter::event_types(["VoteCast"])
///     }
///
///     fn keys(&self, event: &RecordedEvent) -> Vec<String> {
///         event.payload["Conversation"].as_str().map(str::to_owned).into_iter().collect()
///     }
///
///     async fn compute(&self, key: &str, at_least: Token) -> Result<i64, ApplyError> {
///         let votes = self.filter().and_all([("Conversation", key)]);
///         let count = |votes: &mut i64, _: &RecordedEvent| *votes += 1;
///         // With a snapshot on the way: of a hundred thousand votes only the new ones are read.
///         let counted = self.store.fold("votes", &votes, 0, count).consistency(Consistency::AtLeast(at_least));
///         Ok(counted.await?.state)
///     }
///
///     async fn save(&self, transaction: &Transaction<'_>, key: &str, votes: i64) -> Result<(), ApplyError> {
///         let save = "INSERT INTO views.votes VALUES ($1, $2) ON CONFLICT (conversation) DO UPDATE SET votes = excluded.votes";
///         transaction.execute(save, &[&key, &votes]).await?;
///         Ok(())
///     }
/// }
/// ```
pub trait Recomputed: Send + Sync + 'static {
    /// What was computed of a key.
    type View: Send;

    /// Its name, of 1 to 245 bytes. That of its checkpoint is `recompute/<name>`.
    fn name(&self) -> &str;

    /// The events that it follows; always the same.
    fn filter(&self) -> Filter;

    /// Which keys an event changes: any number, of 1 to 1,000 bytes each, without NUL.
    fn keys(&self, event: &RecordedEvent) -> Vec<String>;

    /// Computes what is to be shown of a key, with no transaction open: it may take long. `at_least` is what must be in it: read with
    /// [`Consistency::AtLeast`](crate::Consistency::AtLeast) of it. It may be dropped at any await, when its lease is lost.
    fn compute(
        &self,
        key: &str,
        at_least: Token,
    ) -> impl Future<Output = Result<Self::View, ApplyError>> + Send;

    /// Writes it, in a short transaction in which it is said that the key is done: both are there, or none. Leave the transaction open.
    /// What it does elsewhere may be done more than once, and by one whose save is refused.
    fn save(
        &self,
        transaction: &Transaction<'_>,
        key: &str,
        view: Self::View,
    ) -> impl Future<Output = Result<(), ApplyError>> + Send;
}
