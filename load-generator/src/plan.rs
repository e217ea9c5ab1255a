//! What is to be done, resolved and valid.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;

use crate::engine::EngineName;

/// One run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) rate: Rate,
    pub(crate) duration: Duration,
    pub(crate) warmup: Duration,
    pub(crate) workers: usize,
    pub(crate) queue: usize,
    pub(crate) timeout: Duration,
    pub(crate) scenario: ScenarioName,
    pub(crate) engine: EngineName,
    pub(crate) audit: bool,
    pub(crate) seed: u64,
    pub(crate) primary: Option<String>,
    pub(crate) replicas: Vec<String>,
    pub(crate) schema: String,
    pub(crate) preload: u64,
    pub(crate) metrics: Option<String>,
    pub(crate) json: Option<PathBuf>,
}

impl Plan {
    /// The schema of the log: each engine has one of its own.
    pub(crate) fn schema(&self) -> String {
        match self.engine {
            EngineName::Eventstore => self.schema.clone(),
            other => format!("{}_{}", self.schema, other.as_str().replace('-', "_")),
        }
    }
}

/// Requests per second: at least one in a thousand seconds, at most one a microsecond.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate(f64);

impl Rate {
    pub(crate) fn per_second(self) -> f64 {
        self.0
    }

    /// When request `number` is due, counted from the start. Computed anew for each, so that no error adds up.
    pub(crate) fn due(self, number: u64) -> Duration {
        Duration::from_secs_f64(number as f64 / self.0)
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rate: f64 =
            text.parse().map_err(|_| "expected a number of requests per second, such as 300".to_owned())?;
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

#[cfg(test)]
impl Plan {
    /// A second of warm-up and two of measuring, at 100 a second.
    pub(crate) fn for_tests() -> Self {
        Self {
            rate: Rate(100.0),
            duration: Duration::from_secs(2),
            warmup: Duration::from_secs(1),
            workers: 2,
            queue: 10,
            timeout: Duration::from_secs(1),
            scenario: ScenarioName::Library,
            engine: EngineName::Eventstore,
            audit: false,
            seed: 1,
            primary: None,
            replicas: Vec::new(),
            schema: "library".to_owned(),
            preload: 0,
            metrics: None,
            json: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_times_do_not_drift() {
        let rate: Rate = "300".parse().unwrap();
        assert_eq!(rate.due(0), Duration::ZERO);
        assert_eq!(rate.due(300 * 3_600), Duration::from_secs(3_600));
        assert_eq!(rate.due(1).as_nanos(), 3_333_333);
    }
}
