//! What the load itself costs: a generator without processors to spare measures itself.

use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use serde::{Deserialize, Serialize};

use crate::environment::{forget_peak, peak_mib};
use crate::machine;

/// What this process used, without its children.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct OwnCost {
    /// How long that was.
    pub(crate) elapsed_s: f64,
    pub(crate) requests: u64,
    /// Processor time, of the user and of the system.
    pub(crate) cpu_s: f64,
    /// Of all the time that the processors it may use had, from 0 to 1.
    pub(crate) cpu_share: f64,
    /// `None` without a request.
    pub(crate) cpu_us_per_request: Option<f64>,
    /// The most memory that it had meanwhile, where the system can tell; else since the process began.
    pub(crate) peak_mib: Option<f64>,
    /// At the end.
    pub(crate) threads: Option<u64>,
}

/// Measures from its start on.
#[derive(Debug)]
pub(crate) struct OwnClock {
    started: Used,
    looked: Used,
}

/// Processor time at a moment.
#[derive(Debug, Clone, Copy)]
struct Used {
    at: Instant,
    cpu: Duration,
}

impl OwnCost {
    fn new(
        cpu_s: f64,
        elapsed_s: f64,
        requests: u64,
        (peak_mib, threads): (Option<f64>, Option<u64>),
    ) -> Self {
        let of_all = elapsed_s * machine::cpus().max(1) as f64;
        Self {
            elapsed_s,
            requests,
            cpu_s,
            cpu_share: if of_all > 0.0 { cpu_s / of_all } else { 0.0 },
            cpu_us_per_request: (requests > 0).then(|| cpu_s * 1e6 / requests as f64),
            peak_mib,
            threads,
        }
    }

    /// Of all of them together, one after the other.
    pub(crate) fn sum<'a>(costs: impl Iterator<Item = &'a Self>) -> Self {
        costs.fold(Self::default(), |sum, cost| {
            let peak_mib = cost.peak_mib.into_iter().chain(sum.peak_mib).reduce(f64::max);
            let (cpu_s, elapsed_s) = (sum.cpu_s + cost.cpu_s, sum.elapsed_s + cost.elapsed_s);
            Self::new(
                cpu_s,
                elapsed_s,
                sum.requests + cost.requests,
                (peak_mib, cost.threads.or(sum.threads)),
            )
        })
    }
}

impl OwnClock {
    pub(crate) fn start() -> Self {
        // Where that can not be, it is the most since the process began.
        let _ = forget_peak();
        let now = Used::now();
        Self { started: now, looked: now }
    }

    /// How many processors it kept busy since the last call, or since the start.
    pub(crate) fn cores_now(&mut self) -> f64 {
        let now = Used::now();
        let cores = now.cores_since(self.looked);
        self.looked = now;
        cores
    }

    /// What so many requests took.
    pub(crate) fn finish(self, requests: u64) -> OwnCost {
        let now = Used::now();
        let cpu_s = now.cpu.saturating_sub(self.started.cpu).as_secs_f64();
        let elapsed_s = now.at.saturating_duration_since(self.started.at).as_secs_f64();
        let (peak_mib, threads) = (peak_mib(), machine::own_threads());
        OwnCost::new(cpu_s, elapsed_s, requests, (peak_mib, threads))
    }
}

impl Used {
    fn now() -> Self {
        // It fails for none of the arguments that nix has.
        let cpu = getrusage(UsageWho::RUSAGE_SELF).map_or(Duration::ZERO, |usage| {
            let us = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
            Duration::from_micros(u64::try_from(us).unwrap_or(0))
        });
        Self { at: Instant::now(), cpu }
    }

    /// Two moments that are one have used nothing.
    fn cores_since(self, earlier: Self) -> f64 {
        let passed = self.at.saturating_duration_since(earlier.at).as_secs_f64();
        if passed > 0.0 { self.cpu.saturating_sub(earlier.cpu).as_secs_f64() / passed } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_processor_time_by_time() {
        let earlier = Used { at: Instant::now(), cpu: Duration::from_secs(5) };
        let later = Used { at: earlier.at + Duration::from_secs(2), cpu: Duration::from_secs(8) };
        assert_eq!((later.cores_since(earlier), earlier.cores_since(earlier)), (1.5, 0.0));
    }

    #[test]
    fn work_is_seen() {
        let mut clock = OwnClock::start();
        let began = Used::now();
        while Used::now().cpu.saturating_sub(began.cpu) < Duration::from_millis(20) {
            std::hint::spin_loop();
        }
        assert!(clock.cores_now() > 0.0);
        let cost = clock.finish(10);
        assert!(cost.cpu_s >= 0.02 && cost.cpu_share > 0.0, "{cost:?}");
        assert!(cost.cpu_us_per_request.unwrap() >= 2_000.0, "{cost:?}");
        assert_eq!(OwnClock::start().finish(0).cpu_us_per_request, None);
    }
}
