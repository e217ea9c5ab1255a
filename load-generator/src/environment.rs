//! What a result was measured on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::connection;
use crate::flush::RoundTrips;
use crate::histogram::milliseconds;
use crate::machine;
use crate::servers::Servers;

/// Server settings without which a figure means little: they are told also where nobody has set them.
const SETTINGS: &[&str] = &[
    "server_version",
    // What a commit waits for.
    "fsync",
    "synchronous_commit",
    "synchronous_standby_names",
    "full_page_writes",
    "data_checksums",
    "wal_compression",
    "wal_level",
    // Checkpoints.
    "max_wal_size",
    "checkpoint_timeout",
    "checkpoint_completion_target",
    // Memory.
    "shared_buffers",
    "huge_pages",
    "effective_cache_size",
    "work_mem",
    "maintenance_work_mem",
    // Plans.
    "random_page_cost",
    "effective_io_concurrency",
    "jit",
    "max_parallel_workers_per_gather",
    "max_connections",
    "autovacuum",
    "autovacuum_vacuum_scale_factor",
    "autovacuum_vacuum_insert_scale_factor",
    "autovacuum_naptime",
];

/// The machine, the servers and their settings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Environment {
    /// Of the load generator.
    pub(crate) version: String,
    /// The machine that makes the load; the servers may have others.
    pub(crate) os: String,
    pub(crate) kernel: Option<String>,
    pub(crate) cpu_model: Option<String>,
    /// That this process may use.
    pub(crate) cpus: usize,
    pub(crate) memory_mib: Option<f64>,
    /// Before the load.
    load_average_1m: Option<f64>,
    pub(crate) servers: String,
    pub(crate) replicas: usize,
    /// Its settings, by name. Empty where the server could not be asked.
    pub(crate) postgresql: BTreeMap<String, String>,
    /// How long the primary takes to flush a commit, beyond the round trip.
    pub(crate) flush_ms: Option<f64>,
    /// How long the primary takes to answer a statement that does nothing.
    pub(crate) trip_ms: Option<f64>,
    pub(crate) events_before: u64,
}

impl Environment {
    /// Asks the machine and the primary; what does not answer is left out.
    pub(crate) async fn observe(servers: &Servers, events_before: u64) -> Self {
        let load_average_1m = machine::load_average_1m();
        let (postgresql, trips) = if servers.are_none() {
            (BTreeMap::new(), RoundTrips::default())
        } else {
            (settings(&servers.primary).await.unwrap_or_default(), RoundTrips::of(&servers.primary).await)
        };
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            os: std::env::consts::OS.to_owned(),
            kernel: machine::kernel(),
            cpu_model: machine::cpu_model(),
            cpus: machine::cpus(),
            memory_mib: machine::memory_mib(),
            load_average_1m,
            servers: servers.kind().to_owned(),
            replicas: servers.replicas.len(),
            postgresql,
            flush_ms: trips.flush_ms,
            trip_ms: trips.trip_ms,
            events_before,
        }
    }

    /// One line for people.
    pub(crate) fn summary(&self) -> String {
        if self.servers == "none" {
            return format!("no server, {} CPUs", self.cpus);
        }
        let setting = |name: &str| self.postgresql.get(name).map_or("?", String::as_str);
        format!(
            "PostgreSQL {} ({}, {} replica(s), fsync {}, synchronous_commit {}, flush {} ms), {} CPUs, {} events before",
            setting("server_version"),
            self.servers,
            self.replicas,
            setting("fsync"),
            setting("synchronous_commit"),
            milliseconds(self.flush_ms, 0),
            self.cpus,
            self.events_before,
        )
    }
}

/// How much memory this process has, in MiB; `None` where the system does not say.
pub(crate) fn resident_mib() -> Option<f64> {
    machine::own_kib("VmRSS:").map(|kib| kib / 1_024.0)
}

/// Lets this process forget the most memory that it had; false where the system can not.
pub(crate) fn forget_peak() -> bool {
    std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// How much it has had at most, since that was last forgotten.
pub(crate) fn peak_mib() -> Option<f64> {
    machine::own_kib("VmHWM:").map(|kib| kib / 1_024.0)
}

/// The server's settings, those without which a figure means little and those that somebody has set; `None` where it can not be asked.
pub(crate) async fn settings(primary: &str) -> Option<BTreeMap<String, String>> {
    let client = connection::connect(primary).await.ok()?;
    let rows = client.query(include_str!("environment/settings.sql"), &[&SETTINGS]).await.ok()?;
    Some(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        Environment {
            version: "0.1.0".to_owned(),
            os: "linux".to_owned(),
            kernel: None,
            cpu_model: None,
            cpus: 4,
            memory_mib: None,
            load_average_1m: Some(0.5),
            servers: "given".to_owned(),
            replicas: 1,
            postgresql: BTreeMap::from([("fsync".to_owned(), "on".to_owned())]),
            flush_ms: Some(1.234),
            trip_ms: None,
            events_before: 7,
        }
    }

    #[test]
    fn the_summary_says_how_long_a_flush_takes_or_that_it_is_unknown() {
        let expected = "PostgreSQL ? (given, 1 replica(s), fsync on, synchronous_commit ?, flush 1.23 ms), 4 CPUs, \
                        7 events before";
        assert_eq!(environment().summary(), expected);
        let unknown = Environment { flush_ms: None, ..environment() };
        assert!(unknown.summary().contains("flush - ms"), "{}", unknown.summary());
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let written = serde_json::to_string(&environment()).unwrap();
        assert_eq!(serde_json::from_str::<Environment>(&written).unwrap(), environment());
    }
}
