//! Rounds, in which every contestant is measured.

use std::time::Duration;

use futures_util::future::BoxFuture;
use indicatif::{ProgressBar, ProgressStyle};

use crate::bench::Stage;
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

impl Measured {
    fn add(&mut self, sample: Sample) {
        self.rates.push(sample.rate);
        self.latencies.push(sample.latencies.summary());
        self.retries.push(sample.retries);
        self.resident_mib.extend(sample.resident_mib);
    }

    /// Forgets all but the first rounds.
    fn truncate(&mut self, rounds: usize) {
        self.rates.truncate(rounds);
        self.latencies.truncate(rounds);
        self.retries.truncate(rounds);
        self.resident_mib.truncate(rounds);
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

/// Measures each contestant of each case once a round; in the order of the cases and their contestants. What ends it early is given
/// beside the rounds that are complete.
pub(super) async fn run(
    stage: &Stage,
    bench: &str,
    cases: &[Case],
) -> (Vec<Vec<Measured>>, Result<(), RunError>) {
    let contestants: usize = cases.iter().map(|case| case.contestants.len()).sum();
    let bar = progress((stage.plan.rounds * contestants) as u64);
    let mut measured: Vec<Vec<Measured>> =
        cases.iter().map(|case| case.contestants.iter().map(|_| Measured::default()).collect()).collect();
    let mut failed = Ok(());
    for round in 0..stage.plan.rounds {
        failed = one_round(stage, (bench, round), cases, &mut measured, &bar).await;
        if failed.is_err() {
            measured.iter_mut().flatten().for_each(|measured| measured.truncate(round));
            break;
        }
    }
    bar.finish_and_clear();
    (measured, failed)
}

async fn one_round(
    stage: &Stage,
    (bench, round): (&str, usize),
    cases: &[Case],
    measured: &mut [Vec<Measured>],
    bar: &ProgressBar,
) -> Result<(), RunError> {
    for (case, measured) in cases.iter().zip(measured) {
        for nth in 0..case.contestants.len() {
            let nth = (nth + round) % case.contestants.len();
            let contestant = &case.contestants[nth];
            bar.set_message(format!("{bench}, round {}: {}, {}", round + 1, case.name, contestant.name));
            let measure = async {
                stage.servers.settle().await?;
                (contestant.measure)(stage.plan.duration).await
            };
            measured[nth].add(stage.interrupt.or_stop(measure).await?);
            bar.inc(1);
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::bench::{BenchName, BenchPlan};
    use crate::interrupt::Interrupt;
    use crate::servers::Servers;

    fn stage(rounds: usize) -> Stage {
        let plan = BenchPlan {
            bench: BenchName::Append,
            clients: Vec::new(),
            engines: Vec::new(),
            rounds,
            duration: Duration::ZERO,
            preload: 0,
            primary: None,
            replicas: Vec::new(),
            json: None,
            picture: None,
        };
        Stage { plan, servers: Arc::new(Servers::none()), interrupt: Interrupt::default() }
    }

    /// Two that measure in turn: 0, 1, 2 and so on, and fail from `until` on.
    fn two(until: usize) -> [Case; 1] {
        let done = Arc::new(AtomicUsize::new(0));
        let contestant = |name: &str| {
            let done = Arc::clone(&done);
            Contestant::new(name, move |_| {
                let nth = done.fetch_add(1, Ordering::Relaxed);
                async move {
                    if nth < until { Ok(Sample::of_rate(nth as f64)) } else { Err(RunError::new("gone")) }
                }
            })
        };
        let contestants = vec![contestant("one"), contestant("other")];
        [Case { name: "two".to_owned(), clients: None, contestants }]
    }

    #[tokio::test]
    async fn an_error_in_a_late_round_takes_none_of_the_complete_ones() {
        let (measured, failed) = run(&stage(3), "append", &two(5)).await;
        assert_eq!(failed.unwrap_err().to_string(), "gone");
        // The second round began with the other one, and the third had one of them.
        assert_eq!(measured[0][0].rates, [0.0, 3.0]);
        assert_eq!(measured[0][1].rates, [1.0, 2.0]);
        assert!(measured[0].iter().all(|of| of.latencies.len() == 2 && of.retries.len() == 2));
        let (measured, failed) = run(&stage(3), "append", &two(1)).await;
        assert!(failed.is_err() && measured[0].iter().all(|of| of.rates.is_empty()));
    }

    #[tokio::test]
    async fn an_interruption_in_a_late_round_takes_none_of_the_complete_ones() {
        let stage = stage(3);
        let (done, token) = (Arc::new(AtomicUsize::new(0)), stage.interrupt.token().clone());
        // The third measurement is told to end, and would never do so by itself.
        let endless = Contestant::new("one", move |_| {
            let (nth, token) = (done.fetch_add(1, Ordering::Relaxed), token.clone());
            async move {
                if nth == 2 {
                    token.cancel();
                    std::future::pending::<()>().await;
                }
                Ok(Sample::of_rate(nth as f64))
            }
        });
        let case = Case { name: "one".to_owned(), clients: None, contestants: vec![endless] };
        let (measured, failed) = run(&stage, "append", &[case]).await;
        assert_eq!(failed.unwrap_err().to_string(), "interrupted before it was done");
        assert_eq!(measured[0][0].rates, [0.0, 1.0]);
    }
}
