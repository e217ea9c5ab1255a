//! Reads on a replica, and what they say of it.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use crate::error::Error;
use crate::query::blame::Blame;
use crate::query::reader::{Answer, furthest, share_of};
use crate::query::{Page, PageRequest, Reader, Source};
use crate::routing::{PROBATION, Replica};
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
    /// It does not have the event that a token names; how often it had failed then.
    Diverged(Token, u32),
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
        let failures = replica.failures();
        if let Err(error) = self.sound_out(replica, deadline).await {
            warn!(server, %error, "replica stays out of rotation");
            replica.rest(failures);
            return Ok(FromReplica::Unfit(None));
        }
        // Half of the time that is left: the next server needs some too.
        let page = match self.run_on_replica(replica, request, share_of(deadline)).await {
            Ok(page) => page,
            Err(error) => {
                match Blame::of(&error) {
                    Blame::Server => {
                        warn!(server, %error, "replica leaves the rotation: a read failed");
                        replica.rest(failures);
                    }
                    Blame::Unclear => {
                        debug!(server, %error, "replica took too long");
                        replica.suspect(failures);
                    }
                    Blame::Call => {
                        debug!(server, %error, "replica can not answer");
                        return Ok(FromReplica::Unfit(Some(error)));
                    }
                }
                return Ok(FromReplica::Unfit(None));
            }
        };
        if !page.standby {
            warn!(server, "replica leaves the rotation: it is a primary at the moment");
            replica.rest(failures);
            return Ok(FromReplica::Unfit(None));
        }
        if self.servers.log().is_some_and(|log| page.log != Some(log)) {
            warn!(server, "replica leaves the rotation: its log is another one than the primary's");
            replica.rest(failures);
            return Ok(FromReplica::Unfit(None));
        }
        replica.lags_by(self.heads.lag_of(page.head.position()));
        match self.judge(page, request) {
            Ok(Answer::Good(page)) => {
                replica.has_served();
                Ok(FromReplica::Page(page))
            }
            Ok(Answer::Behind) => {
                replica.has_served();
                Ok(FromReplica::Behind)
            }
            // It may not have replayed yet what makes the call valid: the primary knows.
            Err(error) => {
                replica.has_served();
                Ok(FromReplica::Unfit(Some(error)))
            }
            Ok(Answer::Diverged(token)) => Ok(FromReplica::Diverged(token, failures)),
        }
    }

    /// What a replica cancels because it is in the way of what it replays is asked again: it is not the server's fault, and the
    /// rows that were in the way are gone then.
    async fn run_on_replica(
        &self,
        replica: &Replica,
        request: &PageRequest,
        deadline: Instant,
    ) -> Result<Page, Error> {
        for _ in 0..REPLAY_CONFLICTS {
            match self.run(replica.pool(), request, deadline).await {
                Err(error) if error.sqlstate() == Some("40001") => debug!(%error, "asked again"),
                result => return result,
            }
        }
        self.run(replica.pool(), request, deadline).await
    }

    /// Asks a replica that has failed for no more than the head, before it is trusted with a read.
    async fn sound_out(&self, replica: &Replica, deadline: Instant) -> Result<(), Error> {
        if !replica.is_on_probation() {
            return Ok(());
        }
        let soon = share_of(deadline).min(Instant::now() + PROBATION);
        self.run(replica.pool(), &PageRequest::new(Source::Nothing), soon).await.map(|_| ())
    }

    /// Waits for a replica to come as far as the tokens, and reads it then; `None` if it did not in time.
    pub(super) async fn awaited_page(
        &self,
        replica: &Replica,
        request: &PageRequest,
        deadline: Instant,
    ) -> Result<Option<Page>, Error> {
        let until = (Instant::now() + self.replica_wait).min(share_of(deadline));
        let wanted = furthest(&request.witnesses).position();
        let mut pauses = PAUSES_MS.into_iter().chain(std::iter::repeat(PAUSES_MS[PAUSES_MS.len() - 1]));
        while let Some(pause) = pauses.next().map(Duration::from_millis) {
            if Instant::now() + pause > until {
                break;
            }
            sleep(pause).await;
            // The head alone, and then what the read is for: in its own snapshot, which tells again.
            let failures = replica.failures();
            let head = PageRequest::new(Source::Nothing);
            let page = match self.run_on_replica(replica, &head, share_of(deadline)).await {
                Ok(page) => page,
                Err(error) => {
                    debug!(server = replica.pool().server(), %error, "replica failed while it was waited for");
                    replica.suspect(failures);
                    break;
                }
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
