//! Servers, a load generator, an exporter and an application, all with something to tell.

use std::time::{Duration, Instant};

use testutil::{Cluster, Signal};

use crate::exporter::Exporter;
use crate::load_generator;
use crate::monitoring::application::Application;
use crate::running::Running;

pub(super) const SCHEMA: &str = "library";

/// Everything that Prometheus scrapes.
pub(super) struct Scene {
    // In the order in which they end.
    pub(super) running: Running,
    pub(super) exporter: Exporter,
    pub(super) application: Application,
    pub(super) cluster: Cluster,
}

impl Scene {
    pub(super) async fn begin() -> Self {
        let cluster =
            Cluster::builder().replicas(1).setting("max_slot_wal_keep_size", "'10GB'").start().unwrap();
        let servers = [cluster.primary().dsn(), cluster.replicas()[0].dsn()];
        let mut command =
            load_generator("--rate 100 --duration 10m --warmup 0s --preload 500 --timeout 1s --no-tui");
        command.args(["--primary", &servers[0], "--replica", &servers[1], "--schema", SCHEMA]);
        let running = Running::start(command);
        let application = Application::start(&servers[0], &servers[1], SCHEMA).await;
        let session = testutil::connect(&servers[0]).await.unwrap();
        // A slot, whose WAL nobody takes; and what autovacuum may not have come to yet.
        session.batch_execute("SELECT pg_create_physical_replication_slot('archive', true)").await.unwrap();
        session.batch_execute(&format!("VACUUM ANALYZE {SCHEMA}.events, {SCHEMA}.keys")).await.unwrap();
        let exporter = Exporter::start(&servers, SCHEMA, "--timeout 900ms");
        Self { running, exporter, application, cluster }
    }

    /// The primary is frozen until requests and appends come too late, killed, and started again when requests have failed.
    pub(super) fn break_primary(&mut self) {
        self.cluster.primary().signal(Signal::SIGSTOP).unwrap();
        self.until(|scene| {
            let page = scene.running.scrape().unwrap_or_default();
            let timed_out = |line: &&str| {
                line.starts_with("load_generator_requests_total") && line.contains("outcome=\"timeout\"")
            };
            let of_requests = page.lines().filter(timed_out).any(|line| !line.ends_with(" 0"));
            let series = "eventstore_append_outcomes_total{outcome=\"timed_out\"";
            let page = scene.application.scrape();
            let of_appends = page.lines().find(|line| line.starts_with(series)).and_then(|line| {
                let value = line.rsplit(' ').next()?.parse::<f64>().ok()?;
                (value >= MANY).then_some(value)
            });
            let missing = [(of_requests, "requests"), (of_appends.is_some(), "appends")];
            (missing.into_iter().filter(|(is_there, _)| !is_there).map(|(_, of)| of.to_owned()).collect(), ())
        });
        self.cluster.primary_mut().crash();
        self.running.wait_until("load_generator_errors_total", |errors| errors > 0.0);
        self.cluster.primary_mut().start().unwrap();
    }
}

/// So many time-outs that they are more than one append in a hundred.
const MANY: f64 = 40.0;

/// Far beyond anything that is waited for.
const PATIENCE: Duration = Duration::from_secs(40);

impl Scene {
    /// Looks until nothing is missing any more, and gives what else was seen.
    pub(super) fn until<T>(&self, mut missing: impl FnMut(&Self) -> (Vec<String>, T)) -> T {
        let began = Instant::now();
        loop {
            let (names, seen) = missing(self);
            if names.is_empty() {
                return seen;
            }
            assert!(began.elapsed() < PATIENCE, "missing after {PATIENCE:?}: {names:#?}");
        }
    }
}
