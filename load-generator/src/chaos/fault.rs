//! What happens to the servers and to the network between.

use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use testutil::proxy::{DropWhen, Proxy};
use testutil::{Cluster, Signal, SmallDisk};
use tokio::sync::watch;

use crate::chaos::GIVE_UP;
use crate::error::RunError;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FaultName {
    /// kill -9 of the primary and all its children, then a start with crash recovery
    Kill,
    /// SIGSTOP of the primary or the replica for up to 1.5 s: it says nothing, but keeps its connections
    Stop,
    /// All connections are closed, or hand nothing on for up to 0.8 s and are closed then, or are slow for a while
    Cut,
    /// The answer to an append is lost after its Sync was handed on: nobody knows whether it was carried out
    Ackdrop,
    /// Some of the server's sessions are terminated
    Sessions,
    /// The replica stops to replay for up to 1.5 s
    Pause,
    /// The disk of the primary's data is full, until an append was refused. Servers are on small disks then: no replica
    FullData,
    /// The disk of the primary's WAL is full, until the server gave up. Servers are on small disks then: no replica
    FullWal,
}

/// A kind of fault, and how many of it; as many as the time allows if nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FaultCount {
    pub(crate) name: FaultName,
    pub(crate) left: Option<u64>,
}

impl FromStr for FaultCount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, count) = text.split_once('=').map_or((text, None), |(name, count)| (name, Some(count)));
        let known = || {
            let names = FaultName::value_variants().iter().filter_map(ValueEnum::to_possible_value);
            names.map(|value| value.get_name().to_owned()).collect::<Vec<_>>().join(", ")
        };
        let name = FaultName::from_str(name, false).map_err(|_| format!("expected one of {}", known()))?;
        let left = match count {
            None => None,
            Some(count) => match count.parse() {
                Ok(count @ 1..) => Some(count),
                _ => return Err("expected a number of faults after =, such as kill=50".to_owned()),
            },
        };
        Ok(Self { name, left })
    }
}

impl FaultName {
    /// Whether it needs servers whose disks can be filled.
    pub(super) fn fills_a_disk(self) -> bool {
        matches!(self, Self::FullData | Self::FullWal)
    }
}

/// The disks of the primary's data and of its WAL.
pub(super) struct Disks {
    pub(super) data: SmallDisk,
    pub(super) wal: SmallDisk,
}

impl Disks {
    pub(super) fn mount() -> Result<Self, RunError> {
        let mount = |mib| SmallDisk::mount(mib).map_err(RunError::cluster);
        Ok(Self { data: mount(512)?, wal: mount(256)? })
    }
}

/// Owns the servers and the proxy before the primary.
pub(super) struct Injector {
    // The servers end before their disks.
    cluster: Cluster,
    disks: Option<Disks>,
    proxy: Proxy,
    /// How many appends were refused or have no answer.
    refused: watch::Receiver<u64>,
    clients: u64,
    random: ChaCha8Rng,
}

impl Injector {
    pub(super) fn new(
        (cluster, disks): (Cluster, Option<Disks>),
        proxy: Proxy,
        (refused, clients): (watch::Receiver<u64>, u64),
        random: ChaCha8Rng,
    ) -> Self {
        Self { cluster, disks, proxy, refused, clients, random }
    }

    pub(super) fn random(&mut self) -> &mut ChaCha8Rng {
        &mut self.random
    }

    /// The connection string of the primary, past the proxy.
    pub(super) fn primary(&self) -> String {
        self.cluster.primary().dsn()
    }

    /// Injects a fault and heals it: at the return the primary can be reached again.
    pub(super) async fn inject(&mut self, fault: FaultName) -> Result<(), RunError> {
        match fault {
            FaultName::Kill => self.crash_primary(),
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
                self.execute(&self.cluster.primary().dsn(), sessions).await
            }
            FaultName::Pause => {
                let replica = self.replica()?;
                self.execute(&replica, "SELECT pg_wal_replay_pause()").await?;
                self.hold(1_500).await;
                self.execute(&replica, "SELECT pg_wal_replay_resume()").await
            }
            FaultName::FullData => {
                self.disks()?.data.fill().map_err(RunError::io("filling the disk of the data"))?;
                // Each client may still be told of an earlier fault: one refusal more is of this one.
                self.await_refusals(self.clients + 1).await?;
                self.disks()?.data.free().map_err(RunError::io("freeing the disk of the data"))
            }
            FaultName::FullWal => self.fill_wal().await,
        }
    }

    /// Kills the primary with all its children, and starts it again.
    pub(super) fn crash_primary(&mut self) -> Result<(), RunError> {
        tokio::task::block_in_place(|| {
            self.cluster.primary_mut().crash();
            self.cluster.primary_mut().start().map_err(RunError::cluster)
        })
    }

    /// The server can not go on without WAL: it gives up, and may not be able to recover before there is room.
    async fn fill_wal(&mut self) -> Result<(), RunError> {
        self.disks()?.wal.fill().map_err(RunError::io("filling the disk of the WAL"))?;
        // What is prepared for use is used up: each switch needs another file.
        let primary = self.primary();
        while self
            .execute(&primary, "SELECT pg_logical_emit_message(true, '', 'x'), pg_switch_wal()")
            .await
            .is_ok()
        {}
        self.await_refusals(1).await?;
        self.disks()?.wal.free().map_err(RunError::io("freeing the disk of the WAL"))?;
        // Some have come back by themselves, some have not: all are started again.
        self.crash_primary()
    }

    /// Until so many more appends are refused.
    async fn await_refusals(&mut self, count: u64) -> Result<(), RunError> {
        let until = *self.refused.borrow_and_update() + count;
        let refused = tokio::time::timeout(GIVE_UP, self.refused.wait_for(|refused| *refused >= until)).await;
        refused.map_err(|_| RunError::new("a full disk kept no append from being acknowledged")).map(drop)
    }

    fn disks(&self) -> Result<&Disks, RunError> {
        self.disks.as_ref().ok_or_else(|| RunError::new("no disk to fill"))
    }

    async fn stop(&mut self) -> Result<(), RunError> {
        let of_primary = self.cluster.replicas().is_empty() || self.random.random();
        let signal = |cluster: &Cluster, signal| {
            let server = if of_primary { Some(cluster.primary()) } else { cluster.replicas().first() };
            server.map_or(Ok(()), |server| server.signal(signal)).map_err(RunError::cluster)
        };
        signal(&self.cluster, Signal::SIGSTOP)?;
        self.hold(1_500).await;
        signal(&self.cluster, Signal::SIGCONT)
    }

    async fn cut(&mut self) {
        match self.random.random_range(0..3) {
            0 => self.proxy.cut(),
            1 => {
                self.proxy.stall();
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
        let replica = self.cluster.replicas().first();
        replica.map(testutil::Server::dsn).ok_or_else(|| RunError::new("no replica to pause"))
    }

    async fn execute(&self, dsn: &str, statement: &str) -> Result<(), RunError> {
        let failed = |error: tokio_postgres::Error| RunError::new(format!("{statement}: {error}"));
        let session = testutil::connect(dsn).await.map_err(failed)?;
        session.batch_execute(statement).await.map_err(failed)
    }
}
