//! Running a recomputed projection.

use std::fmt;
use std::future::{Future, IntoFuture, pending};
use std::pin::Pin;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::ending::run_until;
use crate::error::Error;
use crate::recompute::calls::Calls;
use crate::recompute::definition::Recomputed;
use crate::recompute::feeder::Feeder;
use crate::recompute::recomputer::Recomputer;
use crate::recompute::workers::Workers;

/// A recomputed projection that goes on while this is awaited. It has no end but an error, or [`until`](Self::until) it is told. See
/// [`Recomputer::run`].
///
/// # Errors
/// [`Invalid`](crate::ErrorKind::Invalid) for a name, setting or filter that is not valid, another filter than the projection had before,
/// and for a key that can not be stored; [`HistoryDiverged`](crate::ErrorKind::HistoryDiverged) as
/// [`Subscribe::start`](crate::Subscribe::start); [`Closed`](crate::ErrorKind::Closed). Servers that do not answer are waited for, and
/// another process that follows the log is stood by for. Where a statement fails for good, what is being computed
/// is given up.
///
/// # Cancellation
/// Dropping it gives up what is being computed; others do it again when its leases run out.
#[must_use = "nothing is recomputed until it is awaited"]
pub struct RecomputeRun {
    carry_out: Box<dyn FnOnce(CancellationToken) -> BoxFuture<'static, Result<(), Error>> + Send>,
    until: BoxFuture<'static, ()>,
}

impl RecomputeRun {
    pub(super) fn new<R: Recomputed>(recomputer: Recomputer<R>) -> Self {
        Self {
            carry_out: Box::new(move |stop| Box::pin(carry_out(recomputer, stop))),
            until: Box::pin(pending()),
        }
    }

    /// Ends when this does: nothing is begun any more, and what is being recomputed is finished.
    pub fn until(mut self, end: impl Future<Output = ()> + Send + 'static) -> Self {
        self.until = Box::pin(end);
        self
    }
}

async fn carry_out<R: Recomputed>(recomputer: Recomputer<R>, stop: CancellationToken) -> Result<(), Error> {
    recomputer.check()?;
    let calls = Arc::new(Calls::new(&recomputer.store, recomputer.projection.name()));
    let feeder = Feeder::new(recomputer.clone(), Arc::clone(&calls));
    let workers = Workers::new(recomputer, calls);
    // One that ends has the other one end, too.
    let feed = async {
        let fed = tokio::select! {
            fed = feeder.run() => fed,
            () = stop.cancelled() => Ok(()),
        };
        stop.cancel();
        fed
    };
    let work = async {
        let worked = workers.run(stop.clone()).await;
        stop.cancel();
        worked
    };
    let (fed, worked) = tokio::join!(feed, work);
    fed.and(worked)
}

impl IntoFuture for RecomputeRun {
    type Output = Result<(), Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(run_until(self.until, self.carry_out))
    }
}

impl fmt::Debug for RecomputeRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecomputeRun").finish_non_exhaustive()
    }
}
