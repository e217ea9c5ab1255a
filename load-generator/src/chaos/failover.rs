//! A replica becomes the primary.
//!
//! *With a loss.* All replicas are cut off, clients go on until something is acknowledged that no replica has, and the primary is
//! killed. *Without.* The primary is killed while each commit waits for a replica. Then, in both cases, what the furthest replica has
//! is all that is left; it is promoted, the others follow it, and the old primary is made anew from it.
//!
//! *What is recorded.* How much is left, after the old primary is dead and before the new one takes writes: whoever is served
//! from there on is served by the new one. Where nothing may be lost, nothing is recorded: no loss is excused. When appends are
//! acknowledged again, the store must know of a loss: what it says of it, by its metrics, is recorded too.

use std::time::Instant;

use testutil::checker::{Action, Answer};
use tokio::task::block_in_place;

use crate::chaos::clients::Clients;
use crate::chaos::embedded::Embedded;
use crate::chaos::fault::FaultName;
use crate::chaos::{PROGRESS, SCHEMA};
use crate::engine::EngineError;
use crate::error::RunError;

impl Embedded {
    /// Returns when the new primary began to take writes.
    pub(super) async fn fail_over(
        &mut self,
        fault: FaultName,
        clients: &mut Clients,
    ) -> Result<Instant, RunError> {
        if fault == FaultName::Failover {
            self.cut_off_replicas().await?;
            clients.advance(PROGRESS).await?;
        } else {
            self.hold(100).await;
        }
        block_in_place(|| self.servers.cluster_mut().primary_mut().crash());
        self.cut_off_replicas().await?;
        let furthest = self.servers.cluster().furthest_replica().await.map_err(EngineError::from)?;
        let replica = self.servers.replicas().swap_remove(furthest);
        if fault == FaultName::Failover {
            let failover = Action::Failover { kept: head(&replica).await? };
            let recorded = clients.recorder.begin(0, failover);
            let recorded = recorded.and_then(|pending| clients.recorder.end(&pending, Answer::Done));
            recorded.map_err(RunError::io("recording"))?;
        }
        testutil::promote(&replica).await.map_err(EngineError::from)?;
        let promoted = Instant::now();
        self.servers.cluster_mut().has_promoted(furthest).await.map_err(EngineError::from)?;
        self.left_behind = Some(furthest);
        clients.advance(1).await?;
        if !clients.note_loss()? && fault == FaultName::Failover {
            return Err(RunError::new("the store did not say that the end of the log was lost"));
        }
        Ok(promoted)
    }

    /// Makes the server anew that a failover left behind, if there is one.
    pub(super) fn rebuild(&mut self) -> Result<(), RunError> {
        match self.left_behind.take() {
            Some(number) => block_in_place(|| self.servers.cluster_mut().rebuild_replica(number))
                .map_err(RunError::cluster),
            None => Ok(()),
        }
    }

    /// At the return they have replayed what they received, and will receive nothing.
    async fn cut_off_replicas(&self) -> Result<(), RunError> {
        for replica in self.servers.replicas() {
            testutil::cut_off(&replica).await.map_err(EngineError::from)?;
        }
        Ok(())
    }
}

async fn head(server: &str) -> Result<u64, RunError> {
    let statement = format!("SELECT coalesce(max(position), 0) FROM {SCHEMA}.events");
    let session = testutil::connect(server).await.map_err(EngineError::from)?;
    let row = session.query_one(&statement, &[]).await.map_err(EngineError::from)?;
    Ok(row.get::<_, i64>(0).unsigned_abs())
}
