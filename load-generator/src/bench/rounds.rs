//! Rounds, in which every contestant is measured.

use std::time::Duration;

use futures_util::future::BoxFuture;
use indicatif::{ProgressBar, ProgressStyle};

use crate::bench::Stage;
use crate::engine::EngineError;
use crate::error::RunError;
use crate::histogram::{Latencies, LatencySummary};

/// What several contestants do, each in its own way.
pub(super) struct Case {
    pub(super) name: String,
    /// Where it is a number of clients that tells it from others.
    pub(super) clients: Option<usize>,
    pub(super) contestants: Vec<Contestant>,
}

/// One of them.
pub(super) struct Contestant {
    pub(super) name: String,
    /// Does it for about so long.
    measure: Box<dyn Fn(Duration) -> BoxFuture<'static, Result<Sample, RunError>> + Send + Sync>,
}

/// What one measurement came to.
#[derive(Debug)]
pub(super) struct Sample {
    /// A second.
    pub(super) rate: f64,
    pub(super) latencies: Latencies,
    /// Statements that the server refused to serialize, and that were sent again; a second.
    pub(super) retries: f64,
    /// What this process had in memory at the end, with all its clients and whatever else it holds: the engines of the other
    /// contestants, and what these left with the allocator. Where it is this process that does the work.
    pub(super) resident_mib: Option<f64>,
}

/// One contestant of a case, over all rounds.
#[derive(Debug, Default)]
pub(super) struct Measured {
    pub(super) rates: Vec<f64>,
    pub(super) latencies: Vec<LatencySummary>,
    pub(super) retries: Vec<f64>,
    pub(super) resident_mib: Vec<f64>,
}

impl Sample {
    /// Of what has a rate and nothing else.
    pub(super) fn of_rate(rate: f64) -> Self {
        Self { rate, latencies: Latencies::new(), retries: 0.0, resident_mib: None }
    }
}

impl Contestant {
    pub(super) fn new<F, M>(name: impl Into<String>, measure: M) -> Self
    where
        F: Future<Output = Result<Sample, RunError>> + Send + 'static,
        M: Fn(Duration) -> F + Send + Sync + 'static,
    {
        Self { name: name.into(), measure: Box::new(move |duration| Box::pin(measure(duration))) }
    }
}

/// Measures each contestant of each case once a round; in the order of the cases and their contestants.
pub(super) async fn run(stage: &Stage, bench: &str, cases: &[Case]) -> Result<Vec<Vec<Measured>>, RunError> {
    let contestants: usize = cases.iter().map(|case| case.contestants.len()).sum();
    let bar = progress((stage.plan.rounds * contestants) as u64);
    let mut measured: Vec<Vec<Measured>> =
        cases.iter().map(|case| case.contestants.iter().map(|_| Measured::default()).collect()).collect();
    for round in 0..stage.plan.rounds {
        for (case, measured) in cases.iter().zip(&mut measured) {
            for nth in 0..case.contestants.len() {
                let nth = (nth + round) % case.contestants.len();
                let contestant = &case.contestants[nth];
                bar.set_message(format!("{bench}, round {}: {}, {}", round + 1, case.name, contestant.name));
                stage.servers.settle().await.map_err(EngineError::from)?;
                let sample = (contestant.measure)(stage.plan.duration).await?;
                measured[nth].rates.push(sample.rate);
                measured[nth].latencies.push(sample.latencies.summary());
                measured[nth].retries.push(sample.retries);
                measured[nth].resident_mib.extend(sample.resident_mib);
                bar.inc(1);
            }
        }
    }
    bar.finish_and_clear();
    Ok(measured)
}

/// Hidden without a terminal.
fn progress(steps: u64) -> ProgressBar {
    let bar = ProgressBar::new(steps);
    match ProgressStyle::with_template("{wide_bar} {pos}/{len} ({eta}) {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// For what has no steps. Hidden without a terminal.
pub(super) fn spinner(message: String) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(message);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
