//! Reads on a replica, and what they say of it.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::debug;

use crate::deadline;
use crate::error::Error;
use crate::query::reader::{Answer, furthest, share_of};
use crate::query::{Page, PageRequest, Reader, Source};
use crate::routing::{Blame, Replica};
use crate::token::Token;

/// How long a read waits before it asks again how far a replica has come.
const PAUSES_MS: [u64; 4] = [1, 2, 5, 10];

/// How often a read that was in the way of a replica's replay is asked again.
const REPLAY_CONFLICTS: usize = 3;

/// What a replica made of a read.
pub(super) enum FromReplica {
    Page(Page),
    /// It serves, but has not come as far as it must.
    Behind,
    /// It does not have the event that a token names.
    Diverged(Token),
    /// Another server has to answer; with what was wrong with the call, if that may be it.
    Unfit(Option<Error>),
}

impl Reader {
    /// A page from a replica, if it can answer.
    pub(super) async fn replica_page(
        &self,
        replica: &Replica,
        request: &PageRequest,
        deadline: Instant,
    ) -> Result<FromReplica, Error> {
        let server = replica.pool().server();
        // Half of the time that is left: the next server needs some too.
        let page = match self.run_on_replica(replica, request, share_of(deadline)).await {
            Some(Ok(page)) => page,
            Some(Err(error)) => {
                debug!(server, %error, "replica does not answer");
                if matches!(Blame::of(&error), Blame::Call) {
                    return Ok(FromReplica::Unfit(Some(error)));
                }
                replica.is_suspect();
                return Ok(FromReplica::Unfit(None));
            }
            None => return Ok(FromReplica::Unfit(None)),
        };
        if !page.standby {
            replica.is_suspect();
            return Ok(FromReplica::Unfit(None));
        }
        if self.servers.log().is_some_and(|log| page.log != Some(log)) {
            replica.is_suspect();
            return Ok(FromReplica::Unfit(None));
        }
        match self.judge(page, request) {
            Ok(Answer::Good(page)) => Ok(FromReplica::Page(page)),
            Ok(Answer::Behind) => Ok(FromReplica::Behind),
            // It may not have replayed yet what makes the call valid: the primary knows.
            Err(error) => Ok(FromReplica::Unfit(Some(error))),
            Ok(Answer::Diverged(token)) => Ok(FromReplica::Diverged(token)),
        }
    }

    /// What a replica cancels because it is in the way of what it replays is asked again: it is not the server's fault, and the
    /// rows that were in the way are gone then.
    /// `None` if the replica fell silent meanwhile: nobody waits for it then.
    async fn run_on_replica(
        &self,
        replica: &Replica,
        request: &PageRequest,
        deadline: Instant,
    ) -> Option<Result<Page, Error>> {
        let _counted = replica.reading();
        let read = async {
            for _ in 0..REPLAY_CONFLICTS {
                match self.run(replica.pool(), request, deadline).await {
                    Err(error) if error.sqlstate() == Some("40001") => debug!(%error, "asked again"),
                    result => return result,
                }
            }
            self.run(replica.pool(), request, deadline).await
        };
        tokio::select! {
            biased;
            result = read => Some(result),
            () = replica.falls_silent() => None,
        }
    }

    /// Waits for a replica to come as far as the tokens, and reads it then; `None` if it did not in time.
    pub(super) async fn awaited_page(
        &self,
        replica: &Replica,
        request: &PageRequest,
        deadline: Instant,
    ) -> Result<Option<Page>, Error> {
        let until = deadline::after(self.replica_wait).min(share_of(deadline));
        let wanted = furthest(&request.witnesses).position();
        let mut pauses = PAUSES_MS.into_iter().chain(std::iter::repeat(PAUSES_MS[PAUSES_MS.len() - 1]));
        while let Some(pause) = pauses.next().map(Duration::from_millis) {
            if Instant::now() + pause > until {
                break;
            }
            sleep(pause).await;
            // The head alone, and then what the read is for: in its own snapshot, which tells again.
            let head = PageRequest::new(Source::Nothing);
            let page = match self.run_on_replica(replica, &head, until).await {
                Some(Ok(page)) => page,
                Some(Err(error)) => {
                    debug!(server = replica.pool().server(), %error, "replica failed while it was waited for");
                    // That the wait was over says nothing of it: the watch does.
                    if matches!(Blame::of(&error), Blame::Server) {
                        replica.is_suspect();
                    }
                    break;
                }
                None => break,
            };
            if page.head.position() < wanted {
                continue;
            }
            return match self.replica_page(replica, request, deadline).await? {
                FromReplica::Page(page) => Ok(Some(page)),
                _ => Ok(None),
            };
        }
        Ok(None)
    }
}
