//! Clients in a closed loop: each has its next operation as soon as its last one is answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::task::JoinSet;

use crate::bench::rounds::{Case, Contestant, Sample};
use crate::engine::{Client, Engine, EngineError, EngineName};
use crate::environment::resident_mib;
use crate::error::RunError;
use crate::histogram::Latencies;

/// How long clients run before they are measured: their connections and caches are warm then, and most pages are in the WAL
/// since the checkpoint.
const WARMUP: Duration = Duration::from_secs(1);

/// What one client does again and again.
#[async_trait]
pub(super) trait Operation: Send + 'static {
    /// Once. Whether it counts.
    async fn once(&mut self, client: &mut dyn Client) -> Result<bool, EngineError>;
}

/// Runs so many clients of an engine, each with an operation of its own.
pub(super) async fn closed_loop<O: Operation>(
    engine: &Arc<dyn Engine>,
    clients: usize,
    duration: Duration,
    operation: impl Fn(u64) -> O,
) -> Result<Sample, RunError> {
    let mut ready = Vec::new();
    for _ in 0..clients {
        ready.push(engine.client().await?);
    }
    run(ready, duration, operation).await
}

/// A case for each number of clients, in which all engines do the same.
pub(super) fn cases<O: Operation>(
    clients: Vec<usize>,
    engines: &[(EngineName, Arc<dyn Engine>)],
    operation: impl Fn(u64) -> O + Clone + Send + Sync + 'static,
) -> Vec<Case> {
    let contestant = |clients: usize, (name, engine): &(EngineName, Arc<dyn Engine>)| {
        let (engine, operation) = (Arc::clone(engine), operation.clone());
        Contestant::new(name.as_str(), move |duration| {
            let (engine, operation) = (Arc::clone(&engine), operation.clone());
            async move { closed_loop(&engine, clients, duration, operation).await }
        })
    };
    let case = |clients: usize| Case {
        clients: Some(clients),
        name: format!("{clients} clients"),
        contestants: engines.iter().map(|engine| contestant(clients, engine)).collect(),
    };
    clients.into_iter().map(case).collect()
}

/// The same with clients that are there already.
pub(super) async fn run<O: Operation>(
    clients: Vec<Box<dyn Client>>,
    duration: Duration,
    operation: impl Fn(u64) -> O,
) -> Result<Sample, RunError> {
    let from = Instant::now() + WARMUP;
    let until = from + duration;
    let mut running = JoinSet::new();
    for (mut client, number) in clients.into_iter().zip(0..) {
        let mut operation = operation(number);
        running.spawn(async move {
            let (mut ended_in_time, mut latencies) = (0_u64, Latencies::new());
            let mut retries_before = None;
            loop {
                let began = Instant::now();
                if began >= until {
                    let retries = client.retries() - retries_before.unwrap_or(client.retries());
                    return Ok::<_, EngineError>((ended_in_time, latencies, retries));
                }
                if began >= from {
                    retries_before.get_or_insert(client.retries());
                }
                let counts = operation.once(&mut *client).await?;
                let ended = Instant::now();
                // The rate counts what ends in the window; the latency is that of all that begins in it, to its end.
                ended_in_time += u64::from(counts && ended >= from && ended <= until);
                if counts && began >= from {
                    latencies.record(ended - began);
                }
            }
        });
    }
    let all_ended = async {
        let (mut total, mut latencies, mut retries) = (0, Latencies::new(), 0);
        while let Some(ended) = running.join_next().await {
            let (ended_in_time, of_client, its_retries) = ended.map_err(RunError::task)??;
            total += ended_in_time;
            latencies.merge(&of_client);
            retries += its_retries;
        }
        Ok::<_, RunError>((total, latencies, retries))
    };
    // While all clients are there.
    let resident = async {
        tokio::time::sleep_until(until.into()).await;
        Ok(resident_mib())
    };
    let ((total, latencies, retries), resident_mib) = tokio::try_join!(all_ended, resident)?;
    let a_second = |count: u64| count as f64 / duration.as_secs_f64();
    Ok(Sample { rate: a_second(total), latencies, retries: a_second(retries), resident_mib })
}
