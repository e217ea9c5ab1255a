//! Running the generations of a projection.

use std::collections::HashSet;
use std::fmt;
use std::future::{Future, IntoFuture, pending};
use std::pin::Pin;

use futures_util::future::BoxFuture;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::error::{Error, ErrorKind};
use crate::projection::Projector;
use crate::projection::calls::Joined;
use crate::projection::definition::Projection;
use crate::projection::generation::Generation;

/// A projection that is applied while this is awaited: what is there, and what comes. It has no end but an error, or
/// [`until`](Self::until) it is told. See [`Projector::run`].
///
/// # Errors
/// [`Invalid`](crate::ErrorKind::Invalid) if an event can not be applied, which its
/// [status](crate::EventStore::projection_status) names; for a name, filter or version that is not valid, or a version below the one
/// that is live; [`Closed`](crate::ErrorKind::Closed). Servers that do not answer are waited for, and so is another projector that runs it.
///
/// # Cancellation
/// Dropping it rolls back what is being applied; a statement that is under way is cancelled on the server.
#[must_use = "nothing is applied until it is awaited"]
pub struct ProjectorRun {
    running: BoxFuture<'static, Result<(), Error>>,
    until: BoxFuture<'static, ()>,
}

impl ProjectorRun {
    pub(super) fn new<P: Projection>(projector: Projector<P>) -> Self {
        Self { running: Box::pin(supervise(projector)), until: Box::pin(pending()) }
    }

    /// Ends when this does; what is being applied is rolled back, and applied again when it is run again.
    pub fn until(mut self, end: impl Future<Output = ()> + Send + 'static) -> Self {
        self.until = Box::pin(end);
        self
    }
}

impl IntoFuture for ProjectorRun {
    type Output = Result<(), Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            tokio::select! {
                ended = self.running => ended,
                () = self.until => Ok(()),
            }
        })
    }
}

impl fmt::Debug for ProjectorRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProjectorRun").finish_non_exhaustive()
    }
}

/// Has a task run each generation of this version, those that come later too.
async fn supervise<P: Projection>(projector: Projector<P>) -> Result<(), Error> {
    let calls = projector.calls()?;
    let version = i32::try_from(projector.projection.version())
        .map_err(|_| Error::invalid(format!("version {} is too high", projector.projection.version())))?;
    let (mut tasks, mut known, mut stopped) = (JoinSet::new(), HashSet::new(), None);
    // Once it has been there and is not any more, it was deleted.
    let mut may_begin = true;
    loop {
        match calls.join(version, may_begin).await {
            Ok(Joined { generations, live_version }) => {
                if generations.is_empty() {
                    let name = &calls.name;
                    return Err(Error::invalid(match live_version {
                        Some(live) if live > version => {
                            format!(
                                "version {live} of projection {name:?} is live; this is version {version}"
                            )
                        }
                        _ => format!("version {version} of projection {name:?} was deleted"),
                    }));
                }
                may_begin = false;
                for number in generations.into_iter().filter(|number| known.insert(*number)) {
                    let generation = Generation::new(projector.clone(), calls.clone(), number);
                    tasks.spawn(async move { (number, generation.run().await) });
                }
            }
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                warn!(%error, projection = calls.name, "what is to be projected can not be told now");
            }
            Err(error) => return Err(error),
        }
        tokio::select! {
            Some(ended) = tasks.join_next() => match ended {
                Ok((number, Ok(()))) => {
                    known.remove(&number);
                    info!(projection = calls.name, generation = number, "replaced, or deleted");
                }
                Ok((number, Err(error))) => {
                    if error.kind() == ErrorKind::Closed {
                        return Err(error);
                    }
                    warn!(%error, projection = calls.name, generation = number, "stopped");
                    stopped = Some(error);
                }
                Err(_) => {
                    let died = Error::internal(format!("a generation of projection {:?} died", calls.name));
                    warn!(error = %died);
                    stopped = Some(died);
                }
            },
            // Another generation may have been begun.
            () = sleep(projector.store.poll_every()) => {}
        }
        if let Some(error) = stopped.take_if(|_| tasks.is_empty()) {
            return Err(error);
        }
    }
}
