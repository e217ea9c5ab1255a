//! Another primary for a cluster, and the old one as its replica.
//!
//! What a failover manager does, step by step, so that a test can look between them: [`replication`](super::replication) cuts
//! replicas off and promotes one, and here the cluster is told which server is what, and a server that was left behind is made
//! anew.

use std::fs;

use crate::cluster::{Cluster, run};
use crate::error::ClusterError;
use crate::replication::{connect, follow};

impl Cluster {
    /// The number of the replica that has received most, by its place among [`replicas`](Cluster::replicas).
    ///
    /// # Errors
    /// If one of them can not be reached.
    pub async fn furthest_replica(&self) -> Result<usize, tokio_postgres::Error> {
        let mut furthest = (0, 0);
        for (number, replica) in self.replicas().iter().enumerate() {
            let received = "SELECT (coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/0'::pg_lsn)::bigint";
            let row = connect(&replica.dsn()).await?.query_one(received, &[]).await?;
            furthest = furthest.max((row.get::<_, i64>(0), number));
        }
        Ok(furthest.1)
    }

    /// Calls a replica that was promoted the primary, and has the others follow it; the server that was the primary takes its
    /// place among the replicas, and has to be [rebuilt](Self::rebuild_replica).
    ///
    /// # Errors
    /// If one of the others can not be reached.
    pub async fn has_promoted(&mut self, number: usize) -> Result<(), tokio_postgres::Error> {
        self.swap_primary(number);
        for (other, replica) in self.replicas().iter().enumerate() {
            if other != number {
                let name = format!("application_name=port{}", replica.port());
                follow(&replica.dsn(), &format!("{} {name}", self.primary().dsn())).await?;
            }
        }
        Ok(())
    }

    /// Makes a replica anew from the primary, whatever it was: its data is copied again. Returns when it accepts connections.
    /// Blocks.
    ///
    /// # Errors
    /// What a program or the system said.
    pub fn rebuild_replica(&mut self, number: usize) -> Result<(), ClusterError> {
        let source = self.primary().dsn();
        let replica = &mut self.replicas_mut()[number];
        replica.crash();
        fs::remove_dir_all(replica.data())
            .map_err(ClusterError::io(format!("removing {}", replica.data().display())))?;
        let mut copy = replica.program("pg_basebackup");
        copy.args(["--checkpoint=fast", "--write-recovery-conf", "--no-sync", "--pgdata"])
            .arg(replica.data());
        copy.arg("--dbname").arg(format!("{source} application_name=port{}", replica.port()));
        run(copy.current_dir("/"), replica.owner())?;
        replica.start()
    }
}
