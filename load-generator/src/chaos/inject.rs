//! What injects faults.

use std::time::Instant;

use eventstore::EventStoreBuilder;
use testutil::checker::Operation;

use crate::chaos::clients::Clients;
use crate::chaos::fault::FaultName;
use crate::chaos::report::Injected;
use crate::error::RunError;

/// When a fault was over, and when appends became impossible by it, if that is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Happened {
    /// The primary can be reached again, whichever server that is by now.
    pub(super) over: Instant,
    pub(super) down: Option<Instant>,
}

impl Happened {
    /// Just now.
    pub(super) fn is_over() -> Self {
        Self { over: Instant::now(), down: None }
    }
}

/// Owns the servers of a run, and does things to them.
pub(super) trait Inject {
    /// Describes a store on the servers.
    fn store(&self) -> EventStoreBuilder;

    /// Prepares them, when there is a log.
    async fn begin(&mut self) -> Result<(), RunError>;

    /// Injects a fault and heals it. Other figures than those of its end are noted with the others of its kind.
    async fn inject(
        &mut self,
        fault: FaultName,
        clients: &mut Clients,
        injected: &mut Injected,
    ) -> Result<Happened, RunError>;

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

    /// How many bytes disks have forgotten.
    fn forgotten(&self) -> u64 {
        0
    }
}
