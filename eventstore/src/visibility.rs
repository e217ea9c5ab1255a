//! A replica may show an event before the primary does.
//!
//! A commit is sent to the replicas when it is written, and seen by others on the primary a moment later: after the wait for a
//! synchronous standby, if there is one. So an event that a replica has shown is at first beyond the primary's head, just as one is that
//! a failover has lost. Whoever meets that looks again, a few times, before it is told.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::error::{Error, ErrorKind};
use crate::store::EventStore;
use crate::token::Token;

/// Together 988 ms: a thousand times what it takes, unless a standby is waited for, and most of what that takes.
const PAUSES_MS: [u64; 10] = [1, 2, 5, 10, 20, 50, 100, 200, 300, 300];

/// Makes a call again while the log does not have what a token names, a few times and until a deadline.
pub(crate) async fn once_visible<T, F>(deadline: Instant, mut call: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut result = call().await;
    for pause in PAUSES_MS.map(Duration::from_millis) {
        let may_come =
            |error: &Error| error.kind() == ErrorKind::HistoryDiverged && !error.is_another_event();
        let is_missing = result.as_ref().is_err_and(may_come);
        if !is_missing || Instant::now() + pause >= deadline {
            break;
        }
        sleep(pause).await;
        result = call().await;
    }
    result
}

/// Refuses a token whose event the log does not have, or has not soon.
pub(crate) async fn check_event(store: &EventStore, token: Token, deadline: Instant) -> Result<(), Error> {
    once_visible(deadline, || has_event(store, token)).await
}

async fn has_event(store: &EventStore, token: Token) -> Result<(), Error> {
    if token == Token::START {
        return Ok(());
    }
    match store.event_at(token.position()).await? {
        Some(event) if event.id == token.event_id() => Ok(()),
        _ => Err(Error::diverged(
            token.position(),
            "the log does not have the event that a view is waited for",
        )),
    }
}
