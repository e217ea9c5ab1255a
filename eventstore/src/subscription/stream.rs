//! A subscription that runs.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::stream::{self, BoxStream, Stream, StreamExt as _};
use tokio::sync::oneshot;

use crate::error::Error;
use crate::store::EventStore;
use crate::subscription::Batch;
use crate::subscription::heart::Held;
use crate::subscription::link::Link;
use crate::tail::Feed;
use crate::token::Token;

/// The events that match, in batches, as they come. Made by [`EventStore::subscription`].
///
/// It has no end but an error, which is the last thing that it gives:
/// [`LeaseLost`](crate::ErrorKind::LeaseLost) if somebody else has taken it over,
/// [`HistoryDiverged`](crate::ErrorKind::HistoryDiverged) if a failover lost the end of the log up to which it was, whether that matched
/// or not,
/// [`Invalid`](crate::ErrorKind::Invalid) if a path of its filter is not indexed any more, [`Closed`](crate::ErrorKind::Closed).
/// Servers that do not answer are waited for.
///
/// Nothing is read ahead but what has come meanwhile, sixteen pages at most; a slow reader slows nobody but itself. Dropping it lets go of it:
/// the next one may start at once. It is [`Unpin`]: poll it with `StreamExt::next`, or [`next`](Self::next).
#[must_use = "a subscription hands over nothing until it is polled"]
pub struct Subscription {
    batches: BoxStream<'static, Result<Batch, Error>>,
    started_after: Token,
    link: Option<Arc<Link>>,
    store: EventStore,
}

impl Subscription {
    pub(super) fn new(feed: Feed, link: Option<Arc<Link>>, store: EventStore) -> Self {
        let (started_after, begun) = (feed.place(), Some((feed, link.clone())));
        let batches = stream::unfold(begun, |running| async move {
            let (mut feed, link) = running?;
            match next(&mut feed, link.as_ref()).await {
                Ok(batch) => Some((Ok(batch), Some((feed, link)))),
                Err(error) => Some((Err(error), None)),
            }
        });
        Self { batches: batches.boxed(), started_after, link, store }
    }

    /// Where it began: after its checkpoint, or where it was told to begin.
    #[must_use]
    pub fn started_after(&self) -> Token {
        self.started_after
    }

    /// The next batch, as soon as there is one; `None` after an error. Cancel safe.
    pub async fn next(&mut self) -> Option<Result<Batch, Error>> {
        self.batches.next().await
    }

    /// Ends it, and returns when the next one may start. Dropping it does the same without waiting.
    pub async fn close(mut self) {
        if let Some(released) = self.release() {
            // The heart may be gone with the store.
            let _ = released.await;
        }
    }

    fn release(&mut self) -> Option<oneshot::Receiver<()>> {
        let link = self.link.take()?;
        if !link.was_lost() {
            self.store.metrics().consumers.forget_subscription(&link.name);
        }
        let held = Held { name: link.name.clone(), holder: link.holder };
        Some(self.store.inner().heart.release(held))
    }
}

async fn next(feed: &mut Feed, link: Option<&Arc<Link>>) -> Result<Batch, Error> {
    let Some(link) = link else {
        return Ok(Batch::new(feed.next(&|_| {}).await?, None));
    };
    let progress = |place| link.has_reached(place);
    let chunk = tokio::select! {
        biased;
        error = link.lost() => return Err(error),
        chunk = feed.next(&progress) => chunk?,
    };
    link.hands_over(chunk.len(), chunk.complete());
    Ok(Batch::new(chunk, Some(Arc::clone(link))))
}

impl Stream for Subscription {
    type Item = Result<Batch, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.batches.poll_next_unpin(context)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.release();
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("link", &self.link).finish_non_exhaustive()
    }
}
