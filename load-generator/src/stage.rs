//! What a load is offered to: servers, an engine's log on them, and what the scenario knows of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use eventstore::Settings;
use prometheus::Registry;

use crate::descriptors;
use crate::engine::{Engine, EngineName};
use crate::error::RunError;
use crate::plan::{Plan, Pool};
use crate::preload;
use crate::scenario::Library;
use crate::servers::Servers;

/// How long the store may take to send what was left at the end.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// File handles that are needed besides connections: logs, outputs, the runtime's own.
const OTHER_HANDLES: u64 = 64;

/// Ready for load.
pub(crate) struct Stage {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) library: Arc<Library>,
    /// The last position before the first load.
    pub(crate) head: u64,
    /// How many loads there were.
    loads: AtomicU64,
    /// Dropped last of all, after the store.
    pub(crate) servers: Arc<Servers>,
}

impl Stage {
    /// Connects, makes the log if it is not there, and writes what it should have before.
    pub(crate) async fn set_up(
        plan: &Plan,
        servers: &Arc<Servers>,
        registry: &Registry,
    ) -> Result<Self, RunError> {
        reserve_handles(plan)?;
        let settings = store_settings(plan);
        let paths = Library::indexed_paths();
        let engine = plan.engine.connect(servers, &plan.schema(), &paths, settings, Some(registry)).await?;
        engine.create().await?;
        let (mut shelf, head) = if plan.node.is_first() || plan.engine == EngineName::Null {
            preload::preload(&engine, plan.preload, plan.workers(), plan.seed, &plan.library).await?
        } else {
            preload::await_preload(&engine, plan.preload, &plan.library).await?
        };
        if plan.node.of > 1 {
            shelf.keep_part(plan.node.index, plan.node.of);
        }
        let library = Arc::new(Library::new(shelf, &plan.library));
        library.warm_up(&mut *engine.client().await?).await?;
        Ok(Self { engine, library, head, loads: AtomicU64::new(0), servers: Arc::clone(servers) })
    }

    /// A load begins.
    pub(crate) fn begin(&self, at: Instant) {
        let before = self.loads.fetch_add(1, Ordering::Relaxed);
        self.library.open(at, self.head, before);
    }

    /// Whether there was a load before.
    pub(crate) fn has_begun(&self) -> bool {
        self.loads.load(Ordering::Relaxed) > 0
    }

    /// Lets the servers come to rest. What keeps them from it is said, and the load is offered all the same.
    pub(crate) async fn settle(&self) {
        if let Err(error) = self.servers.settle().await {
            tracing::warn!(%error, "the servers did not come to rest before a load");
        }
    }

    /// Sends what was left to send, within a limit: a server that says nothing must not keep a report back.
    pub(crate) async fn close(&self) {
        if let Ok(Err(error)) = tokio::time::timeout(CLOSE_WITHIN, self.engine.close()).await {
            tracing::warn!(%error, "closing the store");
        }
    }
}

/// The same pool of connections whoever carries requests out: two ways to do that are compared, and not two pools.
fn store_settings(plan: &Plan) -> Settings {
    let mut settings = Settings::default();
    // The worker's time-out is the one that counts.
    settings.append_timeout = settings.append_timeout.max(plan.timeout * 2);
    settings.query_timeout = settings.query_timeout.max(plan.timeout);
    settings.acquire_timeout = settings.acquire_timeout.max(plan.timeout);
    settings.append_queue = plan.workers().max(settings.append_queue);
    settings
}

/// Each connection is a file, and so are a few other things.
fn reserve_handles(plan: &Plan) -> Result<(), RunError> {
    let connections = match plan.pool {
        _ if plan.engine == EngineName::Null => 0,
        Pool::Fixed { workers, .. } if plan.engine.has_sessions() => workers,
        // The store's, to the primary and to each replica, whose tasks and watchers have one more each.
        Pool::Fixed { .. } | Pool::TaskPerRequest => {
            let servers = 1 + plan.replicas.len().max(usize::from(plan.primary.is_none()));
            (Settings::default().pool_size + 2) * servers
        }
    };
    descriptors::reserve(connections as u64 + OTHER_HANDLES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_workers_have_the_connections_that_tasks_without_a_limit_have() {
        let sizes = [Pool::Fixed { workers: 2, queue: 10 }, Pool::TaskPerRequest]
            .map(|pool| store_settings(&Plan { pool, ..Plan::for_tests() }).pool_size);
        assert_eq!(sizes, [Settings::default().pool_size; 2]);
    }
}
