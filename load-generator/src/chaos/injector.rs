//! Injects faults, and heals them.

use std::time::Duration;

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use testutil::proxy::{DropWhen, Proxy, Toward};
use testutil::{Cluster, Signal};
use tokio::sync::watch;
use tokio::task::block_in_place;

use crate::chaos::GIVE_UP;
use crate::chaos::fault::FaultName;
use crate::chaos::process::Processes;
use crate::chaos::servers::Servers;
use crate::error::RunError;

/// Owns the servers, the proxy before the primary, and the processes that are killed.
pub(super) struct Injector {
    pub(super) servers: Servers,
    pub(super) processes: Processes,
    proxy: Proxy,
    /// How many appends were refused or have no answer.
    refused: watch::Receiver<u64>,
    clients: u64,
    random: ChaCha8Rng,
    /// Bytes that disks forgot.
    pub(super) forgotten: u64,
}

impl Injector {
    pub(super) fn new(
        servers: Servers,
        processes: Processes,
        proxy: Proxy,
        (refused, clients): (watch::Receiver<u64>, u64),
        random: ChaCha8Rng,
    ) -> Self {
        Self { servers, processes, proxy, refused, clients, random, forgotten: 0 }
    }

    pub(super) fn random(&mut self) -> &mut ChaCha8Rng {
        &mut self.random
    }

    /// Injects a fault and heals it: at the return the primary can be reached again.
    pub(super) async fn inject(&mut self, fault: FaultName) -> Result<(), RunError> {
        match fault {
            FaultName::Kill => block_in_place(|| self.servers.crash_primary()),
            FaultName::Power => self.cut_power(),
            FaultName::Process => {
                self.processes.kill().await?;
                self.processes.start().await
            }
            FaultName::Stop => self.stop().await,
            FaultName::Cut => {
                self.cut().await;
                Ok(())
            }
            FaultName::Ackdrop => {
                let when = if self.random.random() { DropWhen::AtOnce } else { DropWhen::WithTheAnswer };
                // Where the connection ended otherwise, it has not happened yet.
                while !self.proxy.drop_next_answer("append_v1", when).await {}
                Ok(())
            }
            FaultName::Sessions => {
                let sessions = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                                WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND random() < 0.5";
                execute(&self.servers.primary(), sessions).await
            }
            FaultName::Pause => {
                let replica = self.replica()?;
                execute(&replica, "SELECT pg_wal_replay_pause()").await?;
                self.hold(1_500).await;
                execute(&replica, "SELECT pg_wal_replay_resume()").await
            }
            FaultName::FullData => {
                block_in_place(|| {
                    self.servers.small_disks()?.0.fill().map_err(RunError::io("filling the disk of the data"))
                })?;
                // Each client may still be told of an earlier fault: one refusal more is of this one.
                self.await_refusals(self.clients + 1).await?;
                self.servers.small_disks()?.0.free().map_err(RunError::io("freeing the disk of the data"))
            }
            FaultName::FullWal => self.fill_wal().await,
        }
    }

    /// Takes back what a fault that was left in the middle has done.
    pub(super) async fn heal(&mut self) -> Result<(), RunError> {
        self.proxy.resume();
        self.proxy.delay(Duration::ZERO);
        let servers = self.servers.cluster();
        for server in std::iter::once(servers.primary()).chain(servers.replicas()) {
            // One that does not run needs no signal.
            let _ = server.signal(Signal::SIGCONT);
        }
        if let Ok((data, wal)) = self.servers.small_disks() {
            for disk in [data, wal] {
                disk.free().map_err(RunError::io("freeing a disk"))?;
            }
        }
        match self.servers.replica() {
            Some(replica) => execute(&replica, "SELECT pg_wal_replay_resume()").await,
            None => Ok(()),
        }
    }

    /// The primary crashes, and loses its power too where its disk can forget.
    pub(super) fn cut_power(&mut self) -> Result<(), RunError> {
        self.forgotten += block_in_place(|| self.servers.cut_power())?;
        Ok(())
    }

    /// The server can not go on without WAL: it gives up, and may not be able to recover before there is room.
    async fn fill_wal(&mut self) -> Result<(), RunError> {
        block_in_place(|| {
            self.servers.small_disks()?.1.fill().map_err(RunError::io("filling the disk of the WAL"))
        })?;
        // What is prepared for use is used up: each switch needs another file.
        let primary = self.servers.primary();
        while execute(&primary, "SELECT pg_logical_emit_message(true, '', 'x'), pg_switch_wal()")
            .await
            .is_ok()
        {}
        self.await_refusals(self.clients + 1).await?;
        self.servers.small_disks()?.1.free().map_err(RunError::io("freeing the disk of the WAL"))?;
        // Some have come back by themselves, some have not: all are started again.
        block_in_place(|| self.servers.crash_primary())
    }

    /// Until so many more appends are refused.
    async fn await_refusals(&mut self, count: u64) -> Result<(), RunError> {
        let until = *self.refused.borrow_and_update() + count;
        let refused = tokio::time::timeout(GIVE_UP, self.refused.wait_for(|refused| *refused >= until)).await;
        refused.map_err(|_| RunError::new("a full disk kept no append from being acknowledged")).map(drop)
    }

    async fn stop(&mut self) -> Result<(), RunError> {
        let of_primary = self.servers.cluster().replicas().is_empty() || self.random.random();
        let signal = |cluster: &Cluster, signal| {
            let server = if of_primary { Some(cluster.primary()) } else { cluster.replicas().first() };
            server.map_or(Ok(()), |server| server.signal(signal)).map_err(RunError::cluster)
        };
        signal(self.servers.cluster(), Signal::SIGSTOP)?;
        self.hold(1_500).await;
        signal(self.servers.cluster(), Signal::SIGCONT)
    }

    async fn cut(&mut self) {
        match self.random.random_range(0..3) {
            0 => self.proxy.cut(),
            1 => {
                let toward = [Toward::Server, Toward::Client, Toward::Both];
                self.proxy.stall(toward[self.random.random_range(0..toward.len())]);
                self.hold(800).await;
                self.proxy.cut();
                self.proxy.resume();
            }
            _ => {
                let delay = Duration::from_millis(self.random.random_range(1..50));
                self.proxy.delay(delay);
                self.hold(800).await;
                self.proxy.delay(Duration::ZERO);
            }
        }
    }

    async fn hold(&mut self, at_most_ms: u64) {
        tokio::time::sleep(Duration::from_millis(self.random.random_range(1..=at_most_ms))).await;
    }

    fn replica(&self) -> Result<String, RunError> {
        self.servers.replica().ok_or_else(|| RunError::new("no replica to pause"))
    }
}

/// Carries a statement out past the proxy.
pub(super) async fn execute(dsn: &str, statement: &str) -> Result<(), RunError> {
    let failed = |error: tokio_postgres::Error| RunError::new(format!("{statement}: {error}"));
    let session = testutil::connect(dsn).await.map_err(failed)?;
    session.batch_execute(statement).await.map_err(failed)
}
