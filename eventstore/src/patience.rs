//! Waiting for a server that does not answer.

use std::time::Duration;

use tokio::time::sleep;
use tracing::warn;

use crate::error::Error;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Calls until the server answers, with growing pauses. What it calls must do no harm twice.
pub(crate) async fn patiently<T, F>(mut call: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut pause = FIRST_PAUSE;
    loop {
        match call().await {
            Err(error) if error.is_passing() => {
                warn!(%error, "waiting for the server");
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            result => return result,
        }
    }
}
