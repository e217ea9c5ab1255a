//! A statement that is under way, or none.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;

/// At most one at a time. Awaited without one it never ends.
pub(super) struct Underway<T>(Option<BoxFuture<'static, T>>);

impl<T> Default for Underway<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Underway<T> {
    pub(super) fn is_free(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn begin(&mut self, statement: impl Future<Output = T> + Send + 'static) {
        self.0 = Some(Box::pin(statement));
    }
}

/// Ends with the statement, and is free again then.
impl<T> Future for Underway<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(statement) = &mut self.0 else { return Poll::Pending };
        let answer = std::task::ready!(statement.as_mut().poll(context));
        self.0 = None;
        Poll::Ready(answer)
    }
}
