//! What benchmarks found.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::bench::BenchPlan;
use crate::bench::picture::{Line, Picture};
use crate::bench::rounds::{Case, Measured};
use crate::histogram::{LatencySummary, milliseconds};
use crate::median::median;

/// A spread of the rounds above which the machine was too busy to trust the figures.
const BUSY: f64 = 0.25;

impl Measured {
    /// Of the rounds' rates.
    fn rate(&self) -> f64 {
        median(self.rates.clone()).unwrap_or_default()
    }

    /// Of the rounds' percentiles.
    fn latency(&self, of: impl Fn(&LatencySummary) -> Option<f64>) -> Option<f64> {
        median(self.latencies.iter().filter_map(of).collect())
    }

    /// By how much the rounds differ, as a share of their median.
    fn spread(&self) -> f64 {
        let least = self.rates.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.rates.iter().copied().fold(0.0, f64::max);
        (most - least) / self.rate()
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Report {
    rows: Vec<Row>,
    notes: Vec<String>,
    rounds: usize,
    duration_s: f64,
    events_before: u64,
    cpus: usize,
    replicas: usize,
    postgresql: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct Row {
    bench: &'static str,
    case: String,
    clients: Option<usize>,
    engine: String,
    /// Median of the rounds, a second.
    rate: f64,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    p999_ms: Option<f64>,
    /// Statements that the server refused to serialize and that were sent again, a second.
    retries: f64,
    /// Of this process, at the end of a measurement.
    resident_mib: Option<f64>,
    /// This engine's median over that of each other one.
    ratio: BTreeMap<String, f64>,
    /// (highest − lowest) ÷ median.
    spread: f64,
    rates: Vec<f64>,
}

impl Report {
    pub(super) fn new(plan: &BenchPlan, replicas: usize, postgresql: BTreeMap<String, String>) -> Self {
        Self {
            rows: Vec::new(),
            notes: Vec::new(),
            rounds: plan.rounds,
            duration_s: plan.duration.as_secs_f64(),
            events_before: plan.preload,
            cpus: std::thread::available_parallelism().map_or(0, usize::from),
            replicas,
            postgresql,
        }
    }

    pub(super) fn add(
        &mut self,
        bench: &'static str,
        cases: &[Case],
        measured: Vec<Vec<Measured>>,
        notes: Vec<String>,
    ) {
        for (case, measured) in cases.iter().zip(measured) {
            let complete = measured.iter().map(|of| of.rates.len()).min().unwrap_or_default();
            if complete == 0 {
                continue;
            }
            if complete < self.rounds {
                self.notes.push(format!("{bench}, {}: {complete} of {} rounds", case.name, self.rounds));
            }
            let named = || case.contestants.iter().map(|contestant| &contestant.name).zip(&measured);
            for (name, of) in named() {
                let others = named().filter(|(other, _)| *other != name);
                let ratio = others.map(|(other, it)| (other.clone(), round(of.rate() / it.rate(), 100.0)));
                self.rows.push(Row {
                    bench,
                    case: case.name.clone(),
                    clients: case.clients,
                    engine: name.clone(),
                    rate: round(of.rate(), 10.0),
                    p50_ms: of.latency(|summary| summary.p50_ms),
                    p99_ms: of.latency(|summary| summary.p99_ms),
                    p999_ms: of.latency(|summary| summary.p999_ms),
                    retries: round(median(of.retries.clone()).unwrap_or_default(), 10.0),
                    resident_mib: median(of.resident_mib.clone()).map(|mib| round(mib, 10.0)),
                    ratio: ratio.collect(),
                    spread: round(of.spread(), 1_000.0),
                    rates: of.rates.iter().map(|rate| round(*rate, 10.0)).collect(),
                });
            }
        }
        self.notes.extend(notes);
    }

    /// What else is to be said.
    pub(super) fn note(&mut self, note: Option<String>) {
        self.notes.extend(note);
    }

    /// Whether nothing was measured.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Of the cases that are numbers of clients.
    pub(super) fn picture(&self, plan: &BenchPlan) -> Picture {
        let mut lines: Vec<Line> = Vec::new();
        for row in &self.rows {
            let Some(clients) = row.clients else { continue };
            let nth = lines.iter().position(|line| line.name == row.engine).unwrap_or_else(|| {
                lines.push(Line { name: row.engine.clone(), points: Vec::new() });
                lines.len() - 1
            });
            lines[nth].points.push((clients, row.rate));
        }
        lines.iter_mut().for_each(|line| line.points.sort_by_key(|(clients, _)| *clients));
        let version = self.postgresql.get("server_version").map_or("?", String::as_str);
        let version = version.split_whitespace().next().unwrap_or(version);
        // A log that begins empty says so itself.
        let before = if plan.bench.takes("preload") { self.events_before } else { 0 };
        Picture {
            title: plan.bench.title().to_owned(),
            conditions: format!(
                "PostgreSQL {version}, {} CPUs, {} replica(s), {before} events before, medians of {} rounds",
                self.cpus, self.replicas, self.rounds
            ),
            lines,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let setting = |name: &str| self.postgresql.get(name).map_or("?", String::as_str);
        writeln!(
            f,
            "medians of {} rounds of {} s, {} events before unless said; PostgreSQL {}, fsync {}, synchronous_commit {}, \
             {} replica(s), {} CPUs",
            self.rounds,
            self.duration_s,
            self.events_before,
            setting("server_version"),
            setting("fsync"),
            setting("synchronous_commit"),
            self.replicas,
            self.cpus,
        )?;
        let mut under = ("", "");
        for row in &self.rows {
            if under != (row.bench, &row.case) {
                under = (row.bench, &row.case);
                writeln!(f, "\n{}: {}", row.bench, row.case)?;
                writeln!(
                    f,
                    "  {:<16} {:>9}/s  p50 ms  p99 ms  p99.9 ms  spread    MiB  times the rate of",
                    "", ""
                )?;
            }
            let ratios: Vec<_> = row.ratio.iter().map(|(name, ratio)| format!("{name} {ratio:.2}")).collect();
            let retries = match row.retries {
                0.0 => String::new(),
                retries => format!("; {retries:.0} statements/s sent again"),
            };
            writeln!(
                f,
                "  {:<16} {:>9.0}    {} {}  {}  {:>5.0}% {:>6}  {}{retries}",
                row.engine,
                row.rate,
                milliseconds(row.p50_ms, 6),
                milliseconds(row.p99_ms, 7),
                milliseconds(row.p999_ms, 8),
                row.spread * 100.0,
                row.resident_mib.map_or_else(|| "-".to_owned(), |mib| format!("{mib:.0}")),
                ratios.join(", ")
            )?;
        }
        if !self.notes.is_empty() {
            writeln!(f)?;
        }
        for note in &self.notes {
            writeln!(f, "{note}")?;
        }
        if setting("fsync") != "on" || setting("synchronous_commit") != "on" {
            writeln!(f, "\nwarning: nothing here is durable: fsync and synchronous_commit are not both on")?;
        }
        if self.rows.iter().any(|row| row.spread > BUSY) {
            writeln!(
                f,
                "\nwarning: rounds differ by more than {:.0} %: the machine was busy with something else",
                BUSY * 100.0
            )?;
        }
        Ok(())
    }
}

/// So that JSON shows no digits that were not measured.
fn round(number: f64, scale: f64) -> f64 {
    (number * scale).round() / scale
}
