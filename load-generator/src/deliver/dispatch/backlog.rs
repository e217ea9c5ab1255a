//! What a backlog takes: memory, and how fast it is worked off by handlers that do nothing. Each profile in a process of its own, as
//! memory that was used once is not given back.

use std::ffi::OsString;
use std::time::Duration;

use eventstore::{EventStore, Profile, Settings};
use serde::{Deserialize, Serialize};

use crate::deliver::dispatch::tasks::Mode;
use crate::deliver::dispatch::{SCHEMA, cycle};
use crate::deliver::{Common, connect};
use crate::error::RunError;
use crate::live::say;
use crate::memory::MemoryClock;
use crate::subprocess::Subprocess;

/// How a backlog was worked off.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Backlog {
    pub(super) profile: String,
    pub(super) waiting: u64,
    pub(super) seconds: f64,
    pub(super) dispatches_per_second: f64,
    /// Before, and how much more there was at most while it was worked off; `None` where the system does not say.
    pub(super) memory_before_mib: Option<f64>,
    pub(super) memory_more_mib: Option<f64>,
    /// Not done once.
    pub(super) faults: u64,
}

/// Each profile, one after the other.
pub(super) async fn run(store: &EventStore, primary: &str, waiting: u64) -> Result<Vec<Backlog>, RunError> {
    let mut backlogs = Vec::new();
    for profile in ["low_memory", "balanced", "high_throughput"] {
        say(&format!("{waiting} wait, {profile}"));
        cycle::fill(store, waiting).await?;
        let items = waiting.to_string();
        let arguments = ["deliver", "dispatch", "--part", profile, "--backlog", &items].map(OsString::from);
        let line = Subprocess::start(arguments, primary, None)?.line().await?;
        let told = serde_json::from_str(&line);
        backlogs.push(told.map_err(|error| RunError::new(format!("a process said {line:?}: {error}")))?);
    }
    Ok(backlogs)
}

/// What such a process does.
pub(crate) async fn part(name: String, waiting: u64, common: Common) -> Result<(), RunError> {
    let profile = match name.as_str() {
        "low_memory" => Profile::low_memory(),
        "balanced" => Profile::balanced(),
        _ => Profile::high_throughput(),
    };
    let mut settings = Settings::default();
    settings.pool_size = profile.pool_size;
    let store = connect(&common.primary.unwrap_or_default(), &[], SCHEMA, settings).await?;
    // The first connection is there.
    store.head().await?;
    // What it took to start is no part of it.
    let clock = MemoryClock::start();
    let nothing = Mode::Dispatch(Duration::ZERO);
    let (took, faults) = cycle::dispatch(&store, nothing, waiting, profile).await?;
    let memory_more_mib = clock.as_ref().and_then(MemoryClock::most_beyond_mib);
    let seconds = took.whole.as_secs_f64();
    let backlog = Backlog {
        profile: name,
        waiting,
        seconds,
        dispatches_per_second: (waiting as f64 / seconds).round(),
        memory_before_mib: clock.map(|clock| clock.before_mib),
        memory_more_mib,
        faults,
    };
    store.close().await?;
    let told = serde_json::to_string(&backlog).map_err(|error| RunError::new(error.to_string()))?;
    println!("{told}");
    Ok(())
}
