//! Running a process manager.

use std::fmt;
use std::future::{Future, IntoFuture, pending};
use std::pin::Pin;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::ending::run_until;
use crate::error::Error;
use crate::patience::patiently;
use crate::process::calls::Calls;
use crate::process::definition::Process;
use crate::process::dispatcher::Dispatcher;
use crate::process::manager::ProcessManager;
use crate::process::reacting::Reacting;

type CarryOut = dyn FnOnce(Parts, CancellationToken) -> BoxFuture<'static, Result<(), Error>> + Send;

/// A process that goes on while this is awaited. It has no end but an error, or [`until`](Self::until) it is told.
/// See [`ProcessManager::run`].
///
/// # Errors
/// [`Invalid`](crate::ErrorKind::Invalid) for a name, setting, filter or path that is not valid, or another filter than the
/// process had before; [`HistoryDiverged`](crate::ErrorKind::HistoryDiverged) as [`ConsumerGroup::start`](crate::ConsumerGroup::start);
/// [`Closed`](crate::ErrorKind::Closed). Servers that do not answer are waited for. What is being carried out when it
/// fails is carried out again.
///
/// # Cancellation
/// Dropping it gives up what is being done; others go on with it when its leases run out.
#[must_use = "nothing is done until it is awaited"]
pub struct ProcessRun {
    carry_out: Box<CarryOut>,
    parts: Parts,
    until: BoxFuture<'static, ()>,
}

#[derive(Debug, Clone, Copy)]
struct Parts {
    reacts: bool,
    dispatches: bool,
}

impl ProcessRun {
    pub(super) fn new<P: Process>(manager: ProcessManager<P>) -> Self {
        Self {
            carry_out: Box::new(move |parts, stop| Box::pin(carry_out(manager, parts, stop))),
            parts: Parts { reacts: true, dispatches: true },
            until: Box::pin(pending()),
        }
    }

    /// Only reacts to events: what follows from them is dispatched elsewhere.
    pub fn reacting_only(mut self) -> Self {
        self.parts = Parts { reacts: true, dispatches: false };
        self
    }

    /// Only dispatches commands and wake-ups: events are reacted to elsewhere. What was written there is found within
    /// [`poll_every`](crate::Profile::poll_every).
    pub fn dispatching_only(mut self) -> Self {
        self.parts = Parts { reacts: false, dispatches: true };
        self
    }

    /// Ends when this does: nothing is begun any more, what is under way is finished, and all else handed back.
    pub fn until(mut self, end: impl Future<Output = ()> + Send + 'static) -> Self {
        self.until = Box::pin(end);
        self
    }
}

async fn carry_out<P: Process>(
    manager: ProcessManager<P>,
    parts: Parts,
    stop: CancellationToken,
) -> Result<(), Error> {
    manager.check()?;
    let calls = Arc::new(Calls::new(&manager.store, manager.process.name()));
    // Before anything is claimed: a process that can not react is not valid.
    let reacting = Arc::new(Reacting::new(&manager, Arc::clone(&calls))?);
    // One that ends has the other one end, too.
    let react = async {
        let result = if parts.reacts { react(&manager, reacting, &stop).await } else { Ok(()) };
        if result.is_err() {
            stop.cancel();
        }
        result
    };
    let dispatch = async {
        let dispatcher = Dispatcher::new(&manager, calls, stop.clone());
        let news = manager.news.subscribe();
        let result = if parts.dispatches { dispatcher.run(news).await } else { Ok(()) };
        if result.is_err() {
            stop.cancel();
        }
        result
    };
    let (reacted, dispatched) = tokio::join!(react, dispatch);
    reacted.and(dispatched)
}

async fn react<P: Process>(
    manager: &ProcessManager<P>,
    reacting: Arc<Reacting<P>>,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let group = manager
        .store
        .consumer_group(manager.reserved_name())
        .filter(&manager.process.filter())
        .ordered_by(manager.process.correlated_by())
        .lease(manager.lease)
        .time_limit(manager.time_limit)
        .max_attempts(manager.max_attempts)
        .backoff(manager.backoff.first, manager.backoff.longest);
    let worker = tokio::select! {
        worker = patiently(|| group.clone().start(manager.start)) => worker?,
        () = stop.cancelled() => return Ok(()),
    };
    let handler = move |delivery| {
        let reacting = Arc::clone(&reacting);
        async move { reacting.react(delivery).await }
    };
    worker.run(manager.profile.dispatches, handler).until(stop.clone().cancelled_owned()).await
}

impl IntoFuture for ProcessRun {
    type Output = Result<(), Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(run_until(self.until, move |stop| (self.carry_out)(self.parts, stop)))
    }
}

impl fmt::Debug for ProcessRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessRun").field("parts", &self.parts).finish_non_exhaustive()
    }
}
