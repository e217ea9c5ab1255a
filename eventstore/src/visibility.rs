//! A replica may show an event before the primary does.
//!
//! A commit is sent to the replicas when it is written, and seen by others on the primary a moment later: after the wait for a
//! synchronous standby, if there is one. So an event that a replica has shown is at first beyond the primary's head, just as one is that
//! a failover has lost. Whoever meets that looks again, a few times, before it is told; where there is no time for that, the two can not
//! be told apart, and it is the time that is said to have run out.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::error::{Error, ErrorKind};
use crate::store::EventStore;
use crate::token::Token;

/// Together 988 ms: a thousand times what it takes, unless a standby is waited for, and most of what that takes.
const PAUSES_MS: [u64; 10] = [1, 2, 5, 10, 20, 50, 100, 200, 300, 300];

/// Makes a call again while the log does not have what a token names, a few times and until a deadline. What it does not have by then it
/// may have a moment later: that is a timeout.
pub(crate) async fn once_visible<T, F>(deadline: Instant, mut call: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut result = call().await;
    for pause in PAUSES_MS.map(Duration::from_millis) {
        let may_come =
            |error: &&Error| error.kind() == ErrorKind::HistoryDiverged && !error.is_another_event();
        let Some(missing) = result.as_ref().err().filter(may_come) else { break };
        if Instant::now() + pause >= deadline {
            return Err(Error::timeout(
                ErrorKind::Unavailable,
                format!("timed out while this may only not be visible yet: {missing}"),
            ));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Position;

    /// What is told of an event that never comes, and how often it was looked for.
    async fn told(within: Duration, by_another: bool) -> (ErrorKind, bool, usize) {
        let mut looks = 0;
        let result = once_visible(Instant::now() + within, || {
            looks += 1;
            let missing = Error::diverged(Position::new(7), "the server does not have the event");
            async move { Err::<(), _>(if by_another { missing.by_another_event() } else { missing }) }
        });
        let error = result.await.unwrap_err();
        assert!(error.to_string().contains("does not have the event"), "{error}");
        (error.kind(), error.is_timeout(), looks)
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_that_may_still_come_is_lost_only_when_it_was_looked_for_to_the_end() {
        let all = PAUSES_MS.len() + 1;
        assert_eq!(told(Duration::from_secs(2), false).await, (ErrorKind::HistoryDiverged, false, all));
        assert_eq!(told(Duration::from_millis(50), false).await, (ErrorKind::Unavailable, true, 6));
        assert_eq!(told(Duration::ZERO, false).await, (ErrorKind::Unavailable, true, 1));
        assert_eq!(told(Duration::ZERO, true).await, (ErrorKind::HistoryDiverged, false, 1));
    }
}
