//! Deadlines from time-outs, however long.

use std::time::Duration;

use tokio::time::Instant;

/// Where adding a time-out would overflow the clock: thirty years from now.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// The instant at which a time-out that begins now is over.
pub(crate) fn after(timeout: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(timeout).unwrap_or_else(|| now + FAR)
}
