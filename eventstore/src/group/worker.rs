//! A member of a group, as the application has it.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::error::Error;
use crate::group::command::Command;
use crate::group::membership::Membership;
use crate::group::task::Task;
use crate::group::{Delivery, Run};
use crate::tail::Feed;
use crate::token::Token;

/// A member of a consumer group. Take events one by one with [`next`](Self::next), from as many tasks as you like, or have them handled with
/// [`run`](Self::run). Dropping it hands back what is not answered, in the background.
pub struct Worker {
    pub(super) commands: mpsc::UnboundedSender<Command>,
    pub(super) time_limit: Duration,
    pub(super) lease: Duration,
    pub(super) name: String,
}

impl Worker {
    pub(super) fn new(membership: Membership, feed: Feed, fed: Token) -> Self {
        let (commands, received) = mpsc::unbounded_channel();
        let (time_limit, lease) = (membership.time_limit, membership.terms.lease);
        let name = membership.name.clone();
        let members = membership.store.inner().members.clone();
        let task = Task::new(membership, (feed, fed), received, commands.downgrade());
        members.spawn(task.run());
        Self { commands, time_limit, lease, name }
    }

    /// The next event, as soon as there is one for this worker. Those who ask at the same time share one statement.
    ///
    /// # Errors
    /// [`Closed`](crate::ErrorKind::Closed) if the worker or the store is; [`Invalid`](crate::ErrorKind::Invalid) if the group was
    /// deleted, a path of its filter is not indexed any more, or the role lacks a right. Servers that do not answer are waited for.
    ///
    /// # Cancellation
    /// Safe: what nobody has seen is given to the next who asks.
    pub async fn next(&self) -> Result<Delivery, Error> {
        let (taker, given) = oneshot::channel();
        if self.commands.send(Command::Take(taker)).is_err() {
            return Err(Error::closed());
        }
        let delivery = given.await.unwrap_or_else(|_| Err(Error::closed()))?;
        delivery.is_taken();
        Ok(delivery)
    }

    /// Has events handled, so many at once, until told to [end](Run::until). Whatever the handler returns is the answer:
    /// `Ok` is done, an error another attempt later; so is a panic, or taking longer than the
    /// [time limit](crate::ConsumerGroup::time_limit). A handler whose lease was lost is given up.
    pub fn run<H, F, E>(self, at_once: usize, handler: H) -> Run
    where
        H: Fn(Delivery) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display + Send + 'static,
    {
        Run::new(self, at_once, handler)
    }

    /// Takes part no more: hands back everything that is not answered, also what is being handled, and returns when others may have it.
    pub async fn close(self) {
        self.end().await;
    }

    pub(super) async fn end(&self) {
        let (done, ended) = oneshot::channel();
        if self.commands.send(Command::End(done)).is_ok() {
            // The task may have ended with the store.
            let _ = ended.await;
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Deliveries answer on the same channel, so that it does not end with the worker.
        let _ = self.commands.send(Command::End(oneshot::channel().0));
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("group", &self.name).finish_non_exhaustive()
    }
}
