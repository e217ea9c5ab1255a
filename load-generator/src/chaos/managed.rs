//! Servers that Patroni runs: a failover is what it makes of a fault.
//!
//! Its replication is synchronous, so that nothing that was acknowledged may be lost, and whoever is told of a loss is told
//! wrongly. A node that was killed is started again before the next fault, when it has nothing to do with what is measured.

use std::sync::Arc;
use std::time::Instant;

use eventstore::{EventStore, EventStoreBuilder};
use testutil::{ClusterError, Patroni};

use crate::chaos::clients::Clients;
use crate::chaos::fault::FaultName;
use crate::chaos::inject::Inject;
use crate::chaos::report::Injected;
use crate::engine::EngineError;
use crate::error::RunError;
use crate::live;

const NODES: usize = 3;

pub(super) struct Managed {
    patroni: Arc<tokio::sync::Mutex<Patroni>>,
    nodes: Vec<String>,
    writable: String,
    /// By its number.
    killed: Option<usize>,
    /// The primary when the run had ended.
    leader: usize,
}

impl Managed {
    pub(super) async fn start() -> Result<Self, RunError> {
        live::say(&format!("starting etcd and {NODES} nodes under Patroni on 127.0.0.1"));
        let started = tokio::task::spawn_blocking(|| Patroni::start(NODES));
        let patroni = started.await.map_err(RunError::task)?.map_err(RunError::cluster)?;
        let (nodes, writable) = (patroni.nodes(), patroni.writable());
        let patroni = Arc::new(tokio::sync::Mutex::new(patroni));
        Ok(Self { patroni, nodes, writable, killed: None, leader: 0 })
    }

    /// What Patroni does takes seconds: elsewhere than on the threads of the clients.
    async fn with<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Patroni) -> Result<T, ClusterError> + Send + 'static,
    ) -> Result<T, RunError> {
        let mut patroni = Arc::clone(&self.patroni).lock_owned().await;
        let done = tokio::task::spawn_blocking(move || act(&mut patroni));
        done.await.map_err(RunError::task)?.map_err(RunError::cluster)
    }

    /// Returns when all nodes are there again.
    async fn mend(&mut self) -> Result<(), RunError> {
        let killed = self.killed.take();
        self.with(move |patroni| {
            killed.map_or(Ok(()), |node| patroni.start_node(node))?;
            patroni.await_standbys()
        })
        .await
    }
}

impl Inject for Managed {
    fn store(&self) -> EventStoreBuilder {
        let builder = EventStore::builder().primary(&self.writable);
        self.nodes.iter().fold(builder, EventStoreBuilder::replica)
    }

    async fn begin(&mut self) -> Result<(), RunError> {
        Ok(())
    }

    async fn prepare(&mut self) -> Result<(), RunError> {
        self.mend().await
    }

    async fn inject(
        &mut self,
        fault: FaultName,
        clients: &mut Clients,
        _: &mut Injected,
    ) -> Result<Instant, RunError> {
        let leader = if fault == FaultName::Switchover {
            self.with(|patroni| patroni.switch_over()).await?
        } else {
            let killed = self.with(Patroni::kill_leader).await?;
            self.killed = Some(killed);
            self.with(move |patroni| patroni.await_leader(Some(killed))).await?
        };
        // It has Patroni's key before it is promoted.
        testutil::takes_writes(&self.nodes[leader]).await.map_err(EngineError::from)?;
        let writable = Instant::now();
        clients.advance(1).await?;
        clients.note_loss()?;
        Ok(writable)
    }

    async fn heal(&mut self) -> Result<(), RunError> {
        self.mend().await
    }

    async fn end(&mut self) -> Result<(), RunError> {
        self.leader = self.with(|patroni| patroni.await_leader(None)).await?;
        Ok(())
    }

    fn ending(&self) -> &'static str {
        "the last fault"
    }

    fn servers(&self) -> (String, Vec<String>) {
        let mut replicas = self.nodes.clone();
        let primary = replicas.remove(self.leader);
        (primary, replicas)
    }
}
