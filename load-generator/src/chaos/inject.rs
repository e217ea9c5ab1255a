//! What injects faults.

use std::time::Instant;

use eventstore::EventStoreBuilder;
use testutil::checker::Operation;

use crate::chaos::clients::Clients;
use crate::chaos::fault::FaultName;
use crate::chaos::report::Injected;
use crate::error::RunError;

/// Owns the servers of a run, and does things to them.
pub(super) trait Inject {
    /// Describes a store on the servers.
    fn store(&self) -> EventStoreBuilder;

    /// Prepares them, when there is a log.
    async fn begin(&mut self) -> Result<(), RunError>;

    /// Returns when all servers are there, also those that the last fault took away.
    async fn prepare(&mut self) -> Result<(), RunError>;

    /// Injects a fault and heals it. Returns since when the primary can be reached, whichever server that is by now. Other
    /// figures than that are noted with the others of its kind.
    async fn inject(
        &mut self,
        fault: FaultName,
        clients: &mut Clients,
        injected: &mut Injected,
    ) -> Result<Instant, RunError>;

    /// Takes back what a fault that was left in the middle has done.
    async fn heal(&mut self) -> Result<(), RunError>;

    /// Prepares the servers for being audited, when nobody uses them any more.
    async fn end(&mut self) -> Result<(), RunError>;

    /// The connection strings of the primary and of the replicas, past everything.
    fn servers(&self) -> (String, Vec<String>);

    /// What clients of other processes asked and were told.
    fn operations(&self) -> Result<Vec<Operation>, RunError> {
        Ok(Vec::new())
    }

    /// What the log is audited after.
    fn ending(&self) -> &'static str;

    /// How many bytes disks have forgotten.
    fn forgotten(&self) -> u64 {
        0
    }
}
