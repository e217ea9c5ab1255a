//! One recompute: computing a key, and saving what came of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tracing::{info, warn};

use crate::error::Error;
use crate::group::Backoff;
use crate::lent::{Fault, Lent, commit, guarded, in_time};
use crate::patience::patiently;
use crate::recompute::calls::Calls;
use crate::recompute::definition::Recomputed;
use crate::recompute::held::Claim;
use crate::recompute::recomputer::Recomputer;
use crate::sql;
use crate::telemetry::RecomputeCounters;

const BACKOFF: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(300) };

/// Who does it.
pub(super) struct Hand<R> {
    pub(super) recomputer: Recomputer<R>,
    pub(super) calls: Arc<Calls>,
    pub(super) counters: RecomputeCounters,
}

impl<R: Recomputed> Hand<R> {
    /// What comes of it is in the database: the key is saved, or tried again later, or somebody else's.
    pub(super) async fn recompute(&self, claim: &Claim) {
        let why = match self.attempt(claim).await {
            Ok(true) => {
                self.recomputer.saved.send_replace(());
                self.counters.ends("done");
                return;
            }
            Ok(false) => {
                self.counters.ends("lost");
                info!(
                    key = claim.key,
                    "what was computed is not saved, as the key is leased to somebody else now"
                );
                return;
            }
            Err(Fault::Store(error)) => error.to_string(),
            Err(Fault::Application(why)) => why,
        };
        self.counters.ends("failed");
        warn!(key = claim.key, attempt = claim.attempt, why, "a key was not recomputed");
        let pause = BACKOFF.after(claim.attempt);
        let saying = patiently(|| self.calls.fail(claim, pause, &why));
        // After that its lease has run out, and says the same.
        match timeout(self.recomputer.lease, saying).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                warn!(%error, key = claim.key, "that a key was not recomputed could not be noted");
            }
            Err(_) => warn!(key = claim.key, "that a key was not recomputed could not be noted in time"),
        }
    }

    /// Whether it was saved.
    async fn attempt(&self, claim: &Claim) -> Result<bool, Fault> {
        let (projection, borrower) = (&*self.recomputer.projection, self.calls.borrower());
        let computing = async { projection.compute(&claim.key, claim.wanted).await };
        let view = guarded(computing, borrower).await?;
        // It is computed: what has to be there to save it is worth waiting for, as long as the lease lasts.
        let mut lent = patiently(|| self.lend()).await?;
        let transaction = in_time(borrower, lent.client().transaction()).await?;
        // One more round trip, beside the claim, the computation and the commit.
        in_time(borrower, transaction.batch_execute(sql::OWN_PATH)).await?;
        let saving = async { projection.save(&transaction, &claim.key, view).await };
        let limit = self.recomputer.lease.max(self.recomputer.store.settings().query_timeout);
        let saved = timeout(limit, guarded(saving, borrower)).await;
        saved.map_err(|_| Fault::Application(format!("saving took longer than {limit:?}")))??;
        if !in_time(borrower, self.calls.settle(&transaction, claim)).await? {
            in_time(borrower, transaction.rollback()).await?;
            lent.has_ended();
            return Ok(false);
        }
        commit(borrower, transaction).await?;
        lent.has_ended();
        Ok(true)
    }

    /// A connection that answers.
    async fn lend(&self) -> Result<Lent, Error> {
        let mut lent = Lent::of(self.calls.borrower()).await?;
        in_time(self.calls.borrower(), lent.client().batch_execute("")).await?;
        Ok(lent)
    }
}
