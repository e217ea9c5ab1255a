//! The arguments that say what load is made, and by whom.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::run::{DURATION, refuse};
use crate::cli::{LONGEST, duration, positive_duration};
use crate::plan::{Arrivals, Pool, Rate, Timing};
use crate::recorded;
use crate::shape::{Burst, Ramp, Shape, Spike, Steps};

/// The most bursts of a load: each is kept in memory.
const MOST_BURSTS: f64 = 1e6;

/// The load, resolved.
pub(super) struct LoadPlan {
    pub(super) timing: Timing,
    pub(super) arrivals: Arrivals,
    pub(super) warmup: Duration,
    pub(super) pool: Pool,
    pub(super) timeout: Duration,
    pub(super) seed: u64,
    /// What is replayed.
    pub(super) replay: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct LoadArgs {
    /// Requests per second, at all times
    #[arg(long, default_value = "300", value_name = "PER_SECOND", help_heading = "Load")]
    rate: Rate,
    /// From one rate to another in a straight line: 100..2000/60s
    ///
    /// Goes on at the last rate until --duration, which is the ramp's own time unless said. FROM may be 0, or more than TO
    #[arg(long, value_name = "FROM..TO/TIME", conflicts_with_all = ["rate", "steps", "spike", "burst", "replay", "clients"], help_heading = "Load")]
    ramp: Option<Ramp>,
    /// One rate after the other, each for so long: 100,200,400/30s
    #[arg(long, value_name = "RATES/TIME", conflicts_with_all = ["rate", "duration", "spike", "burst", "replay", "clients"], help_heading = "Load")]
    steps: Option<Steps>,
    /// --rate, and another rate for a while: 3000@20s/5s
    ///
    /// 3000@20s/5s is 3,000 a second from 20 s after the warm-up on, for 5 s, and --rate before and after
    #[arg(long, value_name = "RATE@AFTER/TIME", conflicts_with_all = ["burst", "replay", "clients"], help_heading = "Load")]
    spike: Option<Spike>,
    /// --rate, and beside it so many at once, again and again: 500/10s
    ///
    /// 500/10s is 500 at 10 s, at 20 s and so on. They meet a queue of --queue places: what does not fit is rejected
    #[arg(long, value_name = "REQUESTS/INTERVAL", conflicts_with_all = ["replay", "clients"], help_heading = "Load")]
    burst: Option<Burst>,
    /// A closed loop: so many clients, each with one request at a time
    ///
    /// Each sends its next request when the last one is answered. How fast that is, the server decides; there is no queue, and
    /// latencies are not corrected: they do not show what users wait for who come whether or not the server has time.
    ///
    /// For --scenario seats: over all processes, 64 unless said
    #[arg(long, value_name = "CLIENTS", conflicts_with_all = ["rate", "workers", "queue", "arrivals", "record", "replay", "task_per_request", "node"], value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = "Load")]
    pub(super) clients: Option<u32>,
    /// Requests when this file says, as --record writes it
    ///
    /// Lines of at_s,operation,choice in the order of time: 1.25,lend_book,7. Operation and choice may be missing: a file of
    /// times alone will do
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rate", "duration", "arrivals"], help_heading = "Load")]
    replay: Option<PathBuf>,
    /// How many times as fast as recorded, for --replay
    #[arg(long, value_name = "TIMES", default_value_t = 1.0, requires = "replay", value_parser = speed, help_heading = "Load", hide_short_help = true)]
    speed: f64,
    /// How requests follow each other
    #[arg(long, value_enum, default_value_t = Arrivals::Even, help_heading = "Load")]
    arrivals: Arrivals,
    /// How long to measure, after the warm-up [default: 60s, or as long as a ramp takes; 30m for `soak`]
    #[arg(long, value_name = "TIME", value_parser = positive_duration, help_heading = "Load")]
    duration: Option<Duration>,
    /// How long to run at the first rate before measuring; 0s for none
    #[arg(long, default_value = "5s", value_name = "TIME", value_parser = duration, help_heading = "Load")]
    warmup: Duration,
    /// How many requests are under way at once, at most
    ///
    /// Through the store they share its connections: eight to each server for reads, and one for appends. Other engines have
    /// one for each worker
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = "Load")]
    workers: u32,
    /// Places in the queue before the workers; a request that finds it full is rejected
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000), help_heading = "Load")]
    queue: u32,
    /// No workers and no queue: a task for each request, however many there are
    ///
    /// This is how overload goes wrong; `overload` compares both ways
    #[arg(long, conflicts_with_all = ["workers", "queue", "audit"], help_heading = "Load", hide_short_help = true)]
    task_per_request: bool,
    /// How long a worker waits for one request, retries included
    ///
    /// From when it took it: what the request waited for in the queue comes on top of it, in its latency
    #[arg(long, default_value = "1s", value_name = "TIME", value_parser = positive_duration, help_heading = "Load")]
    timeout: Duration,
    /// Fixes the sequence of operations and of random choices
    ///
    /// The same seed asks for the same at the same times; what requests meet depends on the run
    #[arg(long, default_value_t = 1, help_heading = "Load", hide_short_help = true)]
    seed: u64,
}

impl LoadArgs {
    /// Takes so long unless a duration was said; gives how long it is.
    pub(super) fn lasts(&mut self, usual: Duration) -> Duration {
        *self.duration.get_or_insert(usual)
    }

    pub(super) fn resolve(self) -> Result<LoadPlan, clap::Error> {
        let length = self.duration.unwrap_or(DURATION);
        let timing = if self.clients.is_some() {
            Timing::ClosedLoop { length }
        } else if let Some(path) = &self.replay {
            let mut requests = match recorded::read(path) {
                Ok(requests) => requests,
                Err(error) => return refuse(format!("--replay: {error}")),
            };
            for request in &mut requests {
                let at = Duration::try_from_secs_f64(request.at.as_secs_f64() / self.speed).ok();
                match at.filter(|at| *at <= LONGEST) {
                    Some(at) => request.at = at,
                    None => return refuse("--speed: it would take more than a year".to_owned()),
                }
            }
            Timing::Recorded(requests.into())
        } else {
            Timing::Shape(self.shape(length)?)
        };
        let pool = match self.clients {
            Some(clients) => Pool::Fixed { workers: clients as usize, queue: 1 },
            None if self.task_per_request => Pool::TaskPerRequest,
            None => Pool::Fixed { workers: self.workers as usize, queue: self.queue as usize },
        };
        Ok(LoadPlan {
            timing,
            arrivals: self.arrivals,
            warmup: self.warmup,
            pool,
            timeout: self.timeout,
            seed: self.seed,
            replay: self.replay,
        })
    }

    fn shape(&self, length: Duration) -> Result<Shape, clap::Error> {
        if let Some(ramp) = self.ramp {
            let length = self.duration.unwrap_or(ramp.over);
            if length < ramp.over {
                return refuse(format!("--ramp: takes longer than --duration, which is {length:?}"));
            }
            return Ok(Shape::ramp(ramp, length));
        }
        if let Some(steps) = &self.steps {
            return Ok(Shape::steps(steps));
        }
        if let Some(spike) = self.spike {
            if spike.after + spike.length > length {
                return refuse(format!("--spike: is over after --duration, which is {length:?}"));
            }
            return Ok(Shape::spike(self.rate, spike, length));
        }
        if let Some(burst) = self.burst {
            if burst.every >= length {
                return refuse(format!("--burst: the first comes after --duration, which is {length:?}"));
            }
            let bursts = length.as_secs_f64() / burst.every.as_secs_f64();
            if bursts > MOST_BURSTS {
                return refuse(format!("--burst: {bursts:.0} of them, expected {MOST_BURSTS} at most"));
            }
            return Ok(Shape::bursts(self.rate, burst, length));
        }
        Ok(Shape::constant(self.rate, length))
    }
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(speed) if (0.001..=1_000.0).contains(&speed) => Ok(speed),
        _ => Err("expected a number from 0.001 to 1000, such as 2".to_owned()),
    }
}
