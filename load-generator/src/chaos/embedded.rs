//! Servers of our own, and the faults that they meet.

use std::time::{Duration, Instant};

use eventstore::EventStoreBuilder;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use testutil::checker::Operation;
use testutil::proxy::{DropWhen, Proxy, Toward};
use testutil::{Cluster, Signal};
use tokio::task::block_in_place;

use crate::chaos::clients::Clients;
use crate::chaos::fault::FaultName;
use crate::chaos::inject::Inject;
use crate::chaos::network::Network;
use crate::chaos::process::Processes;
use crate::chaos::report::Injected;
use crate::chaos::servers::Servers;
use crate::chaos::{ChaosPlan, GIVE_UP};
use crate::error::RunError;

/// Owns the servers, the proxies before them, and the processes that are killed.
pub(super) struct Embedded {
    pub(super) servers: Servers,
    processes: Processes,
    has_processes: bool,
    network: Network,
    random: ChaCha8Rng,
    /// Bytes that disks forgot.
    forgotten: u64,
    /// The replica that was left behind by a failover, and has to be made anew.
    pub(super) left_behind: Option<usize>,
}

impl Inject for Embedded {
    fn store(&self) -> EventStoreBuilder {
        self.network.store()
    }

    async fn begin(&mut self) -> Result<(), RunError> {
        // Whatever the servers are set to, there is a log.
        execute(&self.servers.primary(), "CHECKPOINT").await?;
        if self.has_processes { self.processes.start().await } else { Ok(()) }
    }

    async fn prepare(&mut self) -> Result<(), RunError> {
        self.rebuild()
    }

    async fn inject(
        &mut self,
        fault: FaultName,
        clients: &mut Clients,
        injected: &mut Injected,
    ) -> Result<Instant, RunError> {
        match fault {
            FaultName::Kill => block_in_place(|| self.servers.crash_primary()),
            FaultName::Power => self.cut_power(),
            FaultName::Process => {
                self.processes.kill().await?;
                self.processes.start().await
            }
            FaultName::Stop => self.stop().await,
            FaultName::Cut => self.cut().await,
            FaultName::Replica => self.silence_replica(clients, injected).await,
            FaultName::Failover | FaultName::FailoverSync => return self.fail_over(fault, clients).await,
            FaultName::Ackdrop => {
                let when = if self.random.random() { DropWhen::AtOnce } else { DropWhen::WithTheAnswer };
                // Where the connection ended otherwise, it has not happened yet.
                while !self.to_primary()?.drop_next_answer("append_v1", when).await {}
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
                await_refusals(clients).await?;
                self.servers.small_disks()?.0.free().map_err(RunError::io("freeing the disk of the data"))
            }
            FaultName::FullWal => self.fill_wal(clients).await,
            FaultName::Switchover | FaultName::Leader => Err(RunError::new("nobody promotes these servers")),
        }?;
        Ok(Instant::now())
    }

    async fn heal(&mut self) -> Result<(), RunError> {
        for proxy in self.network.proxies() {
            proxy.resume();
            proxy.delay(Duration::ZERO);
        }
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
        self.rebuild()?;
        for replica in self.servers.replicas() {
            execute(&replica, "SELECT pg_wal_replay_resume()").await?;
        }
        Ok(())
    }

    /// What is audited is what a recovery finds.
    async fn end(&mut self) -> Result<(), RunError> {
        self.processes.kill().await.and(self.cut_power())
    }

    fn servers(&self) -> (String, Vec<String>) {
        (self.servers.primary(), self.servers.replicas())
    }

    fn operations(&self) -> Result<Vec<Operation>, RunError> {
        self.processes.operations()
    }

    fn ending(&self) -> &'static str {
        "a last crash"
    }

    fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

impl Embedded {
    pub(super) async fn start(plan: &ChaosPlan) -> Result<Self, RunError> {
        let (faults, settings) = (plan.faults.clone(), plan.settings.clone());
        let started = tokio::task::spawn_blocking(move || Servers::start(&faults, &settings));
        let servers = started.await.map_err(RunError::task)??;
        let network = Network::start(servers.cluster(), plan.faults.fail_over()).await?;
        let replica = network.replicas.first().cloned();
        let processes = Processes::new(plan.seed, network.primary.clone(), replica)?;
        Ok(Self {
            servers,
            processes,
            has_processes: plan.faults.have(FaultName::Process),
            network,
            random: ChaCha8Rng::seed_from_u64(plan.seed),
            forgotten: 0,
            left_behind: None,
        })
    }

    /// The primary crashes, and loses its power too where its disk can forget.
    fn cut_power(&mut self) -> Result<(), RunError> {
        self.forgotten += block_in_place(|| self.servers.cut_power())?;
        Ok(())
    }

    /// The server can not go on without WAL: it gives up, and may not be able to recover before there is room.
    async fn fill_wal(&mut self, clients: &Clients) -> Result<(), RunError> {
        block_in_place(|| {
            self.servers.small_disks()?.1.fill().map_err(RunError::io("filling the disk of the WAL"))
        })?;
        // What is prepared for use is used up: each switch needs another file.
        let primary = self.servers.primary();
        while execute(&primary, "SELECT pg_logical_emit_message(true, '', 'x'), pg_switch_wal()")
            .await
            .is_ok()
        {}
        await_refusals(clients).await?;
        self.servers.small_disks()?.1.free().map_err(RunError::io("freeing the disk of the WAL"))?;
        // Some have come back by themselves, some have not: all are started again.
        block_in_place(|| self.servers.crash_primary())
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

    async fn cut(&mut self) -> Result<(), RunError> {
        match self.random.random_range(0..3) {
            0 => self.to_primary()?.cut(),
            1 => {
                let toward = [Toward::Server, Toward::Client, Toward::Both];
                let toward = toward[self.random.random_range(0..toward.len())];
                self.to_primary()?.stall(toward);
                self.hold(800).await;
                self.to_primary()?.cut();
                self.to_primary()?.resume();
            }
            _ => {
                let delay = Duration::from_millis(self.random.random_range(1..50));
                self.to_primary()?.delay(delay);
                self.hold(800).await;
                self.to_primary()?.delay(Duration::ZERO);
            }
        }
        Ok(())
    }

    /// A replica is stopped, or its line goes dead, until reads pass it over; and then until they do not any more.
    async fn silence_replica(&mut self, clients: &Clients, injected: &mut Injected) -> Result<(), RunError> {
        let replicas = self.servers.cluster().replicas();
        let replica = &replicas[self.random.random_range(0..replicas.len())];
        let line = self.network.before(replica)?;
        clients.see_replica(line.port(), true).await?;
        let began = Instant::now();
        let is_stopped = self.random.random();
        match is_stopped {
            true => replica.signal(Signal::SIGSTOP).map_err(RunError::cluster)?,
            false => line.stall(Toward::Both),
        }
        clients.see_replica(line.port(), false).await?;
        let left = Instant::now();
        match is_stopped {
            true => replica.signal(Signal::SIGCONT).map_err(RunError::cluster)?,
            false => {
                line.cut();
                line.resume();
            }
        }
        let healed = Instant::now();
        clients.see_replica(line.port(), true).await?;
        injected.left(left - began, healed.elapsed());
        Ok(())
    }

    pub(super) async fn hold(&mut self, at_most_ms: u64) {
        tokio::time::sleep(Duration::from_millis(self.random.random_range(1..=at_most_ms))).await;
    }

    fn to_primary(&self) -> Result<&Proxy, RunError> {
        self.network.before(self.servers.cluster().primary())
    }

    fn replica(&self) -> Result<String, RunError> {
        let first = self.servers.replicas().into_iter().next();
        first.ok_or_else(|| RunError::new("no replica to pause"))
    }
}

/// Each client may still be told of an earlier fault: until one refusal more is of this one.
async fn await_refusals(clients: &Clients) -> Result<(), RunError> {
    let mut refused = clients.refused.clone();
    let until = *refused.borrow_and_update() + clients.count + 1;
    let refused = tokio::time::timeout(GIVE_UP, refused.wait_for(|refused| *refused >= until)).await;
    refused.map_err(|_| RunError::new("a full disk kept no append from being acknowledged")).map(drop)
}

/// Carries a statement out past the proxy.
async fn execute(dsn: &str, statement: &str) -> Result<(), RunError> {
    let failed = |error: tokio_postgres::Error| RunError::new(format!("{statement}: {error}"));
    let session = testutil::connect(dsn).await.map_err(failed)?;
    session.batch_execute(statement).await.map_err(failed)
}
