//! Something that runs until the test says so.

use std::future::IntoFuture;

use eventstore::Error;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::subscriptions::LONG;

/// A run of a store's.
pub(crate) struct Running {
    stop: CancellationToken,
    task: JoinHandle<Result<(), Error>>,
}

impl Running {
    /// The run ends when what it is given does.
    pub(crate) fn begin<R>(run: impl FnOnce(WaitForCancellationFutureOwned) -> R) -> Self
    where
        R: IntoFuture<Output = Result<(), Error>>,
        R::IntoFuture: Send + 'static,
    {
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(stop.clone().cancelled_owned()).into_future());
        Self { stop, task }
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        timeout(LONG, self.task).await.expect("it does not end").unwrap().unwrap();
    }

    /// As if its process had died.
    pub(crate) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}
