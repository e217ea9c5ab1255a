//! A query as a stream of events.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{self, BoxStream, Stream, StreamExt as _, TryStreamExt as _};

use crate::error::Error;
use crate::event::RecordedEvent;
use crate::query::call::Pages;

/// The events of a query, a page at a time.
///
/// Memory is bounded by one page, and the next page is read when the last one has been taken: a slow reader slows
/// the reading. The stream ends at the head that the log had when the first page was read. Between pages no
/// connection is held; dropping the stream frees the one it may be using. It is [`Unpin`]: poll it with
/// `StreamExt::next`, or [`next`](Self::next).
#[must_use = "a stream does nothing until it is polled"]
pub struct EventStream(BoxStream<'static, Result<RecordedEvent, Error>>);

impl EventStream {
    pub(super) fn new(pages: impl Future<Output = Result<Pages, Error>> + Send + 'static) -> Self {
        let pages = stream::once(pages).map_ok(|pages| {
            stream::try_unfold(pages, |mut pages| async move {
                let page = pages.next().await?;
                Ok::<_, Error>(page.map(|events| (stream::iter(events.into_iter().map(Ok)), pages)))
            })
            .try_flatten()
        });
        Self(pages.try_flatten().boxed())
    }

    /// The next event; `None` at the end. Cancel safe.
    pub async fn next(&mut self) -> Option<Result<RecordedEvent, Error>> {
        self.0.next().await
    }
}

impl Stream for EventStream {
    type Item = Result<RecordedEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventStream")
    }
}
