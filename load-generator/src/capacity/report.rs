//! What a search for the capacity found.

use std::fmt;

use serde::Serialize;

use crate::capacity::CapacityPlan;
use crate::capacity::knee::knee;
use crate::capacity::search::{Found, Trial};
use crate::chart::{Axis, Chart, Mark, Series, Tone};
use crate::environment::Environment;
use crate::histogram::milliseconds;
use crate::report::Report;
use crate::slo::{Check, Slo};

/// Where less than this share of what is offered is completed, it is too much.
const SATURATED: f64 = 0.95;

/// Of all engines.
#[derive(Debug, Serialize)]
pub(crate) struct CapacityReport {
    slo: String,
    workers: u64,
    queue: u64,
    probe_s: f64,
    confirm_s: f64,
    engines: Vec<EngineReport>,
    environment: Environment,
}

/// Of one engine.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct EngineReport {
    engine: String,
    /// The highest rate that held; nothing if none did.
    capacity: Option<f64>,
    /// How many of the confirmation runs held.
    confirmed: u32,
    confirmations: u32,
    /// Whether it could be more: no higher rate was tried.
    is_ceiling: bool,
    /// Where latency begins to rise steeply.
    knee: Option<Knee>,
    /// In the order in which they were tried.
    probes: Vec<Probe>,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Knee {
    rate: f64,
    p99_ms: f64,
}

/// One rate that was tried.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Probe {
    pub(crate) rate: f64,
    pub(crate) achieved_rate: f64,
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    pub(crate) p999_ms: Option<f64>,
    /// Shares of what was scheduled.
    pub(crate) rejected: f64,
    pub(crate) errors: f64,
    pub(crate) timeouts: f64,
    /// What makes it worth less.
    pub(crate) warnings: Vec<String>,
    pub(crate) is_confirmation: bool,
    pub(crate) held: bool,
    /// Those limits that broke.
    pub(crate) broken: Vec<String>,
}

impl Probe {
    pub(crate) fn of(report: &Report, slo: &Slo, trial: Trial) -> Self {
        let checked = slo.check(report);
        let say = |check: &Check| {
            format!("{} was {}", check.limit, check.measured.as_deref().unwrap_or("not measured"))
        };
        let latency = report.latency.summary();
        Self {
            rate: trial.rate,
            achieved_rate: report.achieved_rate,
            p50_ms: latency.p50_ms,
            p99_ms: latency.p99_ms,
            p999_ms: latency.p999_ms,
            rejected: report.share(report.requests.rejected),
            errors: report.share(report.requests.errors),
            timeouts: report.share(report.requests.timeouts),
            warnings: report.warnings.clone(),
            is_confirmation: trial.is_confirmation,
            held: checked.held,
            broken: checked.checks.iter().filter(|check| !check.held).map(say).collect(),
        }
    }
}

impl EngineReport {
    pub(crate) fn new(engine: &str, found: Found, probes: Vec<Probe>) -> Self {
        let mut report = Self {
            engine: engine.to_owned(),
            capacity: found.rate,
            confirmed: found.confirmed,
            confirmations: found.of,
            is_ceiling: found.is_ceiling,
            knee: None,
            probes,
        };
        report.knee = knee(&report.unsaturated()).map(|(rate, p99_ms)| Knee { rate, p99_ms });
        report
    }

    /// p99 at each rate up to the first that is too much. Beyond it a bounded queue keeps latency where it is, however much more is
    /// offered.
    fn unsaturated(&self) -> Vec<(f64, f64)> {
        let is_too_much = |probe: &&Probe| probe.achieved_rate < probe.rate * SATURATED;
        let first = self.probes.iter().filter(is_too_much).map(|probe| probe.rate).reduce(f64::min);
        let mut points = self.curve(|probe| probe.p99_ms);
        points.retain(|(rate, _)| first.is_none_or(|first| *rate <= first));
        points
    }

    /// Each rate with the median of a percentile at it, in the order of rates.
    fn curve(&self, of: impl Fn(&Probe) -> Option<f64>) -> Vec<(f64, f64)> {
        let mut points: Vec<(f64, f64)> =
            self.probes.iter().filter_map(|probe| Some((probe.rate, of(probe)?))).collect();
        points.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.total_cmp(&other.1)));
        let at_one_rate = points.chunk_by(|one, other| one.0 == other.0);
        at_one_rate.map(|points| points[points.len() / 2]).collect()
    }
}

impl CapacityReport {
    pub(super) fn new(plan: &CapacityPlan, engines: Vec<EngineReport>, environment: Environment) -> Self {
        let load = plan.load.load();
        Self {
            slo: plan.slo.to_string(),
            workers: load.workers.unwrap_or_default(),
            queue: load.queue.unwrap_or_default(),
            probe_s: plan.probe.as_secs_f64(),
            confirm_s: plan.confirm_for.as_secs_f64(),
            engines,
            environment,
        }
    }

    /// Whether each engine holds the limits at some rate.
    pub(crate) fn found_all(&self) -> bool {
        self.engines.iter().all(|engine| engine.capacity.is_some())
    }

    /// Of the first engine, in requests a second.
    pub(crate) fn capacity(&self) -> Option<f64> {
        self.engines.first()?.capacity
    }

    /// Latency against rate.
    pub(crate) fn chart(&self) -> Chart {
        let series = self.engines.iter().flat_map(|engine| {
            let name = |percentile: &str| format!("{} {percentile}", engine.engine);
            [
                Series::new(name("p99"), engine.curve(|probe| probe.p99_ms)).with_dots(),
                Series::new(name("p50"), engine.curve(|probe| probe.p50_ms)).dashed(),
            ]
        });
        let marks = self.engines.iter().filter_map(|engine| {
            let rate = engine.capacity?;
            Some(Mark::line(rate, format!("{} {rate:.0} /s", engine.engine)).toned(Tone::Plain))
        });
        let knees = self
            .engines
            .iter()
            .filter_map(|engine| Some(Mark::line(engine.knee?.rate, format!("{} knee", engine.engine))));
        Chart {
            title: format!("Latency against rate; {}", self.slo),
            x: Axis::log("requests a second"),
            y: Axis::log("ms"),
            series: series.collect(),
            bars: Vec::new(),
            marks: marks.chain(knees).collect(),
        }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict =
            if self.held { "held".to_owned() } else { format!("broke: {}", self.broken.join(", ")) };
        let late = if self.warnings.is_empty() { "" } else { " (!)" };
        write!(
            f,
            "{:>8.0} /s {} p50 {} p99 {} ms  rejected {:>6.2} %  errors {:>6.2} %  {verdict}{late}",
            self.rate,
            if self.is_confirmation { "again" } else { "     " },
            milliseconds(self.p50_ms, 7),
            milliseconds(self.p99_ms, 8),
            self.rejected * 100.0,
            (self.errors + self.timeouts) * 100.0
        )
    }
}

impl fmt::Display for CapacityReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.environment.summary())?;
        writeln!(f, "limits {}; {} workers, queue {}\n", self.slo, self.workers, self.queue)?;
        for engine in &self.engines {
            writeln!(f, "{}:", engine.engine)?;
            let mut probes: Vec<&Probe> = engine.probes.iter().collect();
            probes.sort_by(|one, other| one.rate.total_cmp(&other.rate));
            for probe in &probes {
                writeln!(f, "  {probe}")?;
            }
            writeln!(f)?;
            for (rate, p99) in engine.curve(|probe| probe.p99_ms) {
                // A bar of p99: a character for each tenth of a power of ten above a tenth of a millisecond.
                let length = ((p99 / 0.1).log10() * 10.0).clamp(1.0, 60.0) as usize;
                writeln!(f, "  {rate:>8.0} /s {} {p99:.1} ms", "▇".repeat(length))?;
            }
            if let Some(knee) = engine.knee {
                writeln!(
                    f,
                    "\n  knee      {:>10.0} requests/s, where p99 is {:.2} ms",
                    knee.rate, knee.p99_ms
                )?;
            }
            match engine.capacity {
                Some(rate) => {
                    let more = if engine.is_ceiling { " or more: no higher rate was allowed" } else { "" };
                    let confirmed =
                        format!("held in {} of {} confirmations", engine.confirmed, engine.confirmations);
                    writeln!(f, "  CAPACITY  {rate:>10.0} requests/s{more} ({confirmed})\n")?;
                }
                None => writeln!(f, "  CAPACITY  none: the limits broke at every rate\n")?,
            }
            let last = engine.probes.iter().rfind(|probe| Some(probe.rate) == engine.capacity);
            for warning in last.iter().flat_map(|probe| &probe.warnings) {
                writeln!(f, "  WARNING   {warning}")?;
            }
        }
        if let [first, others @ ..] = self.engines.as_slice() {
            for other in others {
                if let (Some(one), Some(two)) = (first.capacity, other.capacity) {
                    writeln!(f, "  {} : {} = {:.2}", first.engine, other.engine, one / two)?;
                }
            }
        }
        Ok(())
    }
}
