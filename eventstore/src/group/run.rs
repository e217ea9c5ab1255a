//! Having events handled.

use std::fmt;
use std::future::{Future, IntoFuture, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, info_span, warn};

use crate::error::Error;
use crate::group::{Delivery, Worker};
use crate::panic;

/// How long one that was given up may take to stop: without an await it goes on.
const STOPS_WITHIN: Duration = Duration::from_secs(1);

type Handler = dyn Fn(Delivery) -> BoxFuture<'static, Result<(), String>> + Send + Sync;

/// Events that are being handled; awaiting it has them handled until it is told to end. See [`Worker::run`].
///
/// # Errors
/// As [`Worker::next`]. What is under way is finished first.
///
/// # Cancellation
/// Dropping it gives handlers up where they are, and hands back what they had.
#[must_use = "nothing is handled until it is awaited"]
pub struct Run {
    worker: Worker,
    at_once: usize,
    handler: Arc<Handler>,
    until: BoxFuture<'static, ()>,
}

impl Run {
    pub(super) fn new<H, F, E>(worker: Worker, at_once: usize, handler: H) -> Self
    where
        H: Fn(Delivery) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display + Send + 'static,
    {
        let handler = move |delivery: Delivery| -> BoxFuture<'static, Result<(), String>> {
            let handled = handler(delivery);
            Box::pin(async move { handled.await.map_err(|error| error.to_string()) })
        };
        Self { worker, at_once: at_once.max(1), handler: Arc::new(handler), until: Box::pin(pending()) }
    }

    /// Ends when this does: nothing is taken any more, what is being handled is finished, and all else handed back.
    pub fn until(mut self, end: impl Future<Output = ()> + Send + 'static) -> Self {
        self.until = Box::pin(end);
        self
    }

    async fn carry_out(self) -> Result<(), Error> {
        let Self { worker, at_once, handler, until } = self;
        let (worker, stop) = (Arc::new(worker), CancellationToken::new());
        let mut hands = JoinSet::new();
        for _ in 0..at_once {
            hands.spawn(work(Arc::clone(&worker), Arc::clone(&handler), stop.clone()));
        }
        let mut result = Ok(());
        let ended = async {
            while let Some(ended) = hands.join_next().await {
                let ended = ended.unwrap_or_else(|_| Err(Error::internal("a hand of a worker panicked")));
                if ended.is_err() {
                    result = ended;
                    stop.cancel();
                }
            }
        };
        let told = async {
            until.await;
            stop.cancel();
            pending::<()>().await;
        };
        tokio::select! {
            () = ended => {}
            () = told => {}
        }
        worker.end().await;
        result
    }
}

/// Handles one event after the other.
async fn work(worker: Arc<Worker>, handler: Arc<Handler>, stop: CancellationToken) -> Result<(), Error> {
    loop {
        let delivery = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            delivery = worker.next() => delivery?,
        };
        let span = info_span!("handle", group = worker.name, position = delivery.position.get());
        handle(delivery, &handler, &worker).instrument(span).await;
    }
}

async fn handle(delivery: Delivery, handler: &Arc<Handler>, worker: &Worker) {
    let time_limit = worker.time_limit;
    let (handler, mine) = (Arc::clone(handler), delivery.clone());
    let mut running = AbortOnDrop(tokio::spawn(async move { handler(mine).await }.in_current_span()));
    let answered = tokio::select! {
        handled = timeout(time_limit, &mut running.0) => match handled {
            Ok(Ok(Ok(()))) => delivery.done().await,
            Ok(Ok(Err(why))) => {
                warn!(attempt = delivery.attempt(), why, "an event was not handled");
                delivery.failed(why).await
            }
            Ok(Err(error)) => delivery.failed(panic_text(error)).await,
            Err(_) => {
                // Before anybody else can have it, and while the lease still lasts: what is said later is refused.
                running.0.abort();
                if timeout(STOPS_WITHIN.min(worker.lease / 3), &mut running.0).await.is_err() {
                    warn!("a handler that has taken too long does not stop");
                }
                delivery.failed(format!("it took longer than {time_limit:?}")).await
            }
        },
        () = delivery.lost() => {
            warn!("the lease of an event was lost while it was handled");
            return;
        }
    };
    if let Err(error) = answered {
        warn!(%error, "what came of an event could not be said");
    }
}

/// A handler whose worker is gone has nobody to answer to.
struct AbortOnDrop(tokio::task::JoinHandle<Result<(), String>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn panic_text(error: JoinError) -> String {
    let Ok(panicked) = error.try_into_panic() else { return "it was aborted".to_owned() };
    format!("it panicked: {}", panic::text(&*panicked))
}

impl IntoFuture for Run {
    type Output = Result<(), Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.carry_out())
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("worker", &self.worker)
            .field("at_once", &self.at_once)
            .finish_non_exhaustive()
    }
}
