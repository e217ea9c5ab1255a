//! What a result was measured on.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::plan::Plan;
use crate::servers::Servers;

/// Server settings without which a figure means little.
const SETTINGS: &[&str] =
    &["server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size"];

/// The machine, the servers and the settings of a run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Environment {
    version: &'static str,
    os: &'static str,
    cpus: usize,
    servers: &'static str,
    replicas: usize,
    /// Empty where the server could not be asked without TLS.
    postgresql: BTreeMap<String, String>,
    workers: usize,
    queue: usize,
    timeout_ms: u128,
    warmup_s: f64,
    seed: u64,
    events_before: u64,
}

impl Environment {
    pub(crate) async fn observe(plan: &Plan, servers: &Servers, events_before: u64) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            os: std::env::consts::OS,
            cpus: std::thread::available_parallelism().map_or(0, usize::from),
            servers: if servers.are_embedded() { "embedded" } else { "given" },
            replicas: servers.replicas.len(),
            postgresql: settings(&servers.primary).await.unwrap_or_default(),
            workers: plan.workers,
            queue: plan.queue,
            timeout_ms: plan.timeout.as_millis(),
            warmup_s: plan.warmup.as_secs_f64(),
            seed: plan.seed,
            events_before,
        }
    }

    /// One line for people.
    pub(crate) fn summary(&self) -> String {
        let setting = |name: &str| self.postgresql.get(name).map_or("?", String::as_str);
        format!(
            "PostgreSQL {} ({}, {} replica(s), fsync {}, synchronous_commit {}), {} CPUs, {} events before",
            setting("server_version"),
            self.servers,
            self.replicas,
            setting("fsync"),
            setting("synchronous_commit"),
            self.cpus,
            self.events_before,
        )
    }
}

/// How much memory this process has, in MiB; `None` where the system does not say.
pub(crate) fn resident_mib() -> Option<f64> {
    memory_mib("VmRSS:")
}

/// How much it has had at most.
pub(crate) fn peak_mib() -> Option<f64> {
    memory_mib("VmHWM:")
}

fn memory_mib(field: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kib: f64 = line.trim().trim_end_matches(" kB").trim().parse().ok()?;
    Some(kib / 1_024.0)
}

/// The server's settings; `None` where it can not be asked without TLS.
pub(crate) async fn settings(primary: &str) -> Option<BTreeMap<String, String>> {
    let client = testutil::connect(primary).await.ok()?;
    let statement = "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY ($1)";
    let rows = client.query(statement, &[&SETTINGS]).await.ok()?;
    Some(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}
