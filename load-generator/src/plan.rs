//! What is to be done, resolved and valid.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap::ValueEnum;

use crate::engine::EngineName;
use crate::output::OutputPlan;
use crate::recorded::RecordedRequest;
use crate::report::Load;
use crate::scenario::LibraryOptions;
use crate::servers::ServerSettings;
use crate::shape::Shape;
use crate::slo::Slo;

/// One run, of one load or of several repeats of it.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) timing: Timing,
    pub(crate) arrivals: Arrivals,
    pub(crate) warmup: Duration,
    pub(crate) repeats: u32,
    pub(crate) pool: Pool,
    pub(crate) timeout: Duration,
    pub(crate) library: LibraryOptions,
    pub(crate) engine: EngineName,
    pub(crate) audit: bool,
    pub(crate) seed: u64,
    pub(crate) node: Node,
    pub(crate) start_at: Option<SystemTime>,
    pub(crate) primary: Option<String>,
    pub(crate) replicas: Vec<String>,
    /// Of servers of its own.
    pub(crate) settings: ServerSettings,
    pub(crate) schema: String,
    pub(crate) preload: u64,
    pub(crate) metrics: Option<String>,
    pub(crate) slo: Option<Slo>,
    /// Whether it is to be judged how steady it was.
    pub(crate) soak: bool,
    /// Read, so that nothing is written there.
    pub(crate) replay: Option<PathBuf>,
    pub(crate) outputs: OutputPlan,
    pub(crate) no_tui: bool,
}

/// When requests are due.
#[derive(Debug, Clone)]
pub(crate) enum Timing {
    Shape(Shape),
    Recorded(Arc<[RecordedRequest]>),
    /// When the one before is answered.
    ClosedLoop {
        length: Duration,
    },
}

/// How requests follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arrivals {
    /// In equal steps
    Even,
    /// At random, as those of many users who know nothing of each other: the same rate in the mean
    Poisson,
}

/// Who carries requests out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pool {
    /// So many workers, and so many places in the queue before them.
    Fixed { workers: usize, queue: usize },
    /// A task for each request, however many there are. What overload is compared with.
    TaskPerRequest,
}

/// Which share of a plan's requests this process makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Node {
    /// From 0.
    pub(crate) index: u64,
    pub(crate) of: u64,
}

impl Plan {
    /// A load of nothing through the store, on servers of its own, whose result goes nowhere: what commands that make their own loads
    /// begin with.
    pub(crate) fn bare(library: LibraryOptions) -> Self {
        Self {
            timing: Timing::Shape(Shape::level(0.0, Duration::ZERO)),
            arrivals: Arrivals::Even,
            warmup: Duration::from_secs(1),
            repeats: 1,
            pool: Pool::Fixed { workers: 50, queue: 100 },
            timeout: Duration::from_secs(5),
            library,
            engine: EngineName::Eventstore,
            audit: false,
            seed: 1,
            node: Node::ALONE,
            start_at: None,
            primary: None,
            replicas: Vec::new(),
            settings: ServerSettings::default(),
            schema: "library".to_owned(),
            preload: 0,
            metrics: None,
            slo: None,
            soak: false,
            replay: None,
            outputs: OutputPlan::default(),
            no_tui: true,
        }
    }

    /// The schema of the log: each engine has one of its own.
    pub(crate) fn schema(&self) -> String {
        match self.engine {
            EngineName::Eventstore => self.schema.clone(),
            other => format!("{}_{}", self.schema, other.as_str().replace('-', "_")),
        }
    }

    /// How many requests may be under way at once; some number for those without a limit.
    pub(crate) fn workers(&self) -> usize {
        match self.pool {
            Pool::Fixed { workers, .. } => workers,
            Pool::TaskPerRequest => 50,
        }
    }

    /// How long one repeat takes, until the last request is due.
    pub(crate) fn length(&self) -> Duration {
        self.timing.length()
    }

    /// For the report.
    pub(crate) fn load(&self) -> Load {
        let arrivals = match (&self.timing, self.arrivals) {
            (Timing::Shape(_), Arrivals::Even) => Some("even"),
            (Timing::Shape(_), Arrivals::Poisson) => Some("poisson"),
            (Timing::Recorded(_) | Timing::ClosedLoop { .. }, _) => None,
        };
        let (workers, queue) = match self.pool {
            Pool::Fixed { workers, queue } => (Some(workers as u64), Some(queue as u64)),
            Pool::TaskPerRequest => (None, None),
        };
        let has_queue = !matches!(self.timing, Timing::ClosedLoop { .. });
        Load {
            shape: self.shape(),
            arrivals: arrivals.map(str::to_owned),
            workers,
            queue: queue.filter(|_| has_queue),
            timeout_ms: u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX),
            warmup_s: self.warmup.as_secs_f64(),
            seed: self.seed,
            scenario: self.library.named(),
            node: (self.node.of > 1).then(|| self.node.to_string()),
        }
    }

    /// As a person says it.
    pub(crate) fn shape(&self) -> String {
        match &self.timing {
            Timing::Shape(shape) => shape.to_string(),
            Timing::Recorded(requests) => format!("{} recorded requests", requests.len()),
            Timing::ClosedLoop { .. } => format!("{} clients in a closed loop", self.workers()),
        }
    }
}

impl Timing {
    pub(crate) fn length(&self) -> Duration {
        match self {
            Self::Shape(shape) => shape.length(),
            // To where the next one would be due, at the mean rate.
            Self::Recorded(requests) => {
                let last = requests.last().map_or(Duration::ZERO, |last| last.at);
                last + last.div_f64((requests.len().max(2) - 1) as f64)
            }
            Self::ClosedLoop { length } => *length,
        }
    }

    /// Requests a second, in the mean; unknown in a closed loop.
    pub(crate) fn mean_rate(&self) -> Option<f64> {
        match self {
            Self::Shape(shape) => Some(shape.mean_rate()),
            Self::Recorded(requests) => Some(requests.len() as f64 / self.length().as_secs_f64().max(1.0)),
            Self::ClosedLoop { .. } => None,
        }
    }

    /// The highest rate that holds for a while, where it is known.
    pub(crate) fn peak_rate(&self) -> Option<f64> {
        match self {
            Self::Shape(shape) => Some(shape.peak_rate()),
            Self::Recorded(_) => self.mean_rate(),
            Self::ClosedLoop { .. } => None,
        }
    }

    /// The rate at a time after the beginning, where it is known.
    pub(crate) fn rate_at(&self, at: Duration) -> Option<f64> {
        match self {
            Self::Shape(shape) => Some(shape.rate_at(at)),
            Self::Recorded(_) => self.mean_rate(),
            Self::ClosedLoop { .. } => None,
        }
    }
}

impl Node {
    /// The only one.
    pub(crate) const ALONE: Self = Self { index: 0, of: 1 };

    /// Whether it makes request `number` of the plan.
    pub(crate) fn takes(self, number: u64) -> bool {
        number % self.of == self.index
    }

    pub(crate) fn is_first(self) -> bool {
        self.index == 0
    }
}

impl FromStr for Node {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('/').and_then(|(nth, of)| Some((nth.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((nth, of)) if (1..=of).contains(&nth) && of <= 1_000 => Ok(Self { index: nth - 1, of }),
            _ => Err("expected NTH/OF with NTH from 1 to OF, such as 1/3, of at most 1000".to_owned()),
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index + 1, self.of)
    }
}

/// Requests per second: at least one in a thousand seconds, at most one a microsecond.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate(f64);

impl Rate {
    pub(crate) fn per_second(self) -> f64 {
        self.0
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rate: f64 =
            text.parse().map_err(|_| "expected a number of requests per second, such as 300".to_owned())?;
        Self::try_from(rate)
    }
}

impl TryFrom<f64> for Rate {
    type Error = String;

    fn try_from(rate: f64) -> Result<Self, Self::Error> {
        if !(0.001..=1e6).contains(&rate) {
            return Err("expected from 0.001 to 1000000 requests per second".to_owned());
        }
        Ok(Self(rate))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScenarioName {
    /// A lending library: books are lent and returned, on conditions that concern the book and the reader
    Library,
    /// Many clients fight for the same seats in a closed loop, each of which may be taken once
    Seats,
}

impl ScenarioName {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Library => "library",
            Self::Seats => "seats",
        }
    }
}

impl LibraryOptions {
    /// By the names of their flags.
    fn named(&self) -> BTreeMap<String, String> {
        let mut named = BTreeMap::from([
            ("books", self.books.to_string()),
            ("readers", self.readers.to_string()),
            ("zipf", self.zipf.to_string()),
            ("failures", self.failures.as_str().to_owned()),
        ]);
        named.extend(self.hours.map(|hours| ("opening-hours", hours.to_string())));
        named.extend(self.read_ratio.map(|ratio| ("read-ratio", ratio.to_string())));
        named.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

#[cfg(test)]
impl Plan {
    /// A second of warm-up and two of measuring, at 100 a second.
    pub(crate) fn for_tests() -> Self {
        Self {
            timing: Timing::Shape(Shape::constant(Rate(100.0), Duration::from_secs(2))),
            pool: Pool::Fixed { workers: 2, queue: 10 },
            timeout: Duration::from_secs(1),
            ..Self::bare(LibraryOptions::default())
        }
    }
}
