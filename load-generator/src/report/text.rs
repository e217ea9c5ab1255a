//! A result as a person reads it in a terminal.

use std::fmt;

use crate::figure::{Point, Unit};
use crate::histogram::{Latencies, milliseconds};
use crate::median::median;
use crate::report::{OperationReport, Report, StoreReport};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "scenario {}, engine {}, {}: {}",
            self.scenario,
            self.engine,
            self.load.shape,
            self.environment.summary()
        )?;
        writeln!(f)?;
        self.rates(f)?;
        writeln!(f)?;
        self.latencies(f)?;
        writeln!(f)?;
        self.circumstances(f)?;
        self.spread(f)?;
        for warning in &self.warnings {
            writeln!(f, "  WARNING   {warning}")?;
        }
        if let Some(slo) = &self.slo {
            writeln!(f)?;
            for check in &slo.checks {
                let (verdict, measured) =
                    (if check.held { "held  " } else { "BROKEN" }, check.measured.as_deref());
                writeln!(
                    f,
                    "  {verdict}    {}: {}",
                    check.limit,
                    measured.unwrap_or("nothing was measured")
                )?;
            }
        }
        if let Some(steadiness) = &self.steadiness {
            write!(f, "\n{steadiness}")?;
        }
        if let Some(audit) = &self.audit {
            writeln!(f, "\n  {audit}")?;
        }
        Ok(())
    }
}

impl Report {
    fn rates(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests = &self.requests;
        writeln!(f, "  offered   {:>10.1} requests/s", self.offered_rate)?;
        writeln!(f, "  achieved  {:>10.1} requests/s over {:.1} s", self.achieved_rate, self.duration_s)?;
        writeln!(
            f,
            "  requests  {:>10} scheduled = {} completed + {} rejected + {} errors + {} timeouts",
            requests.scheduled, requests.completed, requests.rejected, requests.errors, requests.timeouts
        )?;
        writeln!(f, "  conflicts {:>10} refused appends, {} retries", requests.conflicts, requests.retries)?;
        if requests.sent_again > 0 {
            writeln!(
                f,
                "  sent again{:>10} statements that the server refused to serialize",
                requests.sent_again
            )?;
        }
        if let Some(share) = self.effective_share {
            writeln!(
                f,
                "  effect    {:>9.1} % of the commands wrote what they were asked for",
                share * 100.0
            )?;
        }
        if self.late_starts > 0 {
            writeln!(
                f,
                "  late      {:>10} requests were offered over 1 ms after they were due",
                self.late_starts
            )?;
        }
        for error in &self.errors {
            let sqlstate = error.sqlstate.as_ref().map_or(String::new(), |code| format!(" ({code})"));
            writeln!(f, "  error     {:>10} {}{sqlstate}: {}", error.count, error.kind, error.example)?;
        }
        Ok(())
    }

    fn latencies(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "  {:<26} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
            "milliseconds", "count", "p50", "p90", "p99", "p99.9", "max"
        )?;
        let from = if self.load.queue.is_none() && self.load.workers.is_some() { "begun" } else { "due" };
        line(f, &format!("latency, from when {from}"), &self.latency)?;
        line(f, "service, from when taken", &self.service)?;
        line(f, "waiting for a worker", &self.queue_wait)?;
        line(f, "late by", &self.schedule_error)?;
        for (name, OperationReport { latency, .. }) in &self.operations {
            line(f, name, latency)?;
        }
        if self.staleness.reads > 0 {
            line(f, "age of replicas' answers", &self.staleness.age)?;
        }
        Ok(())
    }

    fn circumstances(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(store) = &self.store {
            writeln!(f, "  store     {}", said_of(store))?;
        }
        for server in &self.servers {
            let told = [
                server.checkpoints().map(|count| format!("{count} checkpoints")),
                server
                    .wal_bytes()
                    .map(|bytes| format!("{:.1} MiB of WAL", bytes as f64 / f64::from(1 << 20))),
                server.autovacuums().map(|count| format!("{count} autovacuum runs")),
                server.cache_hit().map(|share| format!("{:.1} % of reads from the cache", share * 100.0)),
                server
                    .after
                    .as_ref()
                    .and_then(|after| after.dead_tuples)
                    .map(|dead| format!("{dead} dead rows")),
            ];
            let told: Vec<String> = told.into_iter().flatten().collect();
            if !told.is_empty() {
                writeln!(f, "  {:<9} {}", server.name, told.join(", "))?;
            }
        }
        let own = &self.own;
        let a_request = own.cpu_us_per_request.map_or(String::new(), |us| format!(", {us:.1} us a request"));
        let peak = own.peak_mib.map_or(String::new(), |mib| format!(", {mib:.0} MiB at most"));
        writeln!(
            f,
            "  own cost  {:.1} s of processor time ({:.0} % of all){a_request}{peak}",
            own.cpu_s,
            own.cpu_share * 100.0
        )
    }

    /// How far repeats lie apart.
    fn spread(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.repeats.is_empty() {
            return Ok(());
        }
        writeln!(f, "\n  {} repeats {:>16} {:>12} {:>12}", self.repeats.len(), "least", "median", "most")?;
        let mut row = |name: &str, unit: Unit, values: Vec<f64>| {
            let (least, most) =
                (values.iter().copied().reduce(f64::min), values.iter().copied().reduce(f64::max));
            let [Some(least), Some(median), Some(most)] = [least, median(values), most] else {
                return Ok(());
            };
            let [least, median, most] = [least, median, most].map(|value| unit.say(value));
            writeln!(f, "  {name:<12} {least:>14} {median:>12} {most:>12}")
        };
        row("rate", Unit::PerSecond, self.repeats.iter().map(|repeat| repeat.achieved_rate).collect())?;
        for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
            let point = Point::Quantile(quantile);
            let values = self.repeats.iter().filter_map(|repeat| point.of(&repeat.latency));
            row(name, Unit::Milliseconds, values.collect())?;
        }
        Ok(())
    }
}

fn said_of(store: &StoreReport) -> String {
    let mut told = Vec::new();
    if let Some(mean) = store.batch_events.mean {
        told.push(format!("{} batches of {mean:.1} events", store.batch_events.count));
    }
    for (pool, wait) in &store.pool_wait {
        if let Some(mean) = wait.mean {
            told.push(format!("{mean:.3} ms for a connection ({pool})"));
        }
    }
    if let Some(ms) = store.server_ms_per_request {
        told.push(format!("{ms:.2} ms of the servers' time a request"));
    }
    told.join(", ")
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, latencies: &Latencies) -> fmt::Result {
    let summary = latencies.summary();
    writeln!(
        f,
        "  {name:<26} {:>9} {} {} {} {} {}",
        latencies.count(),
        milliseconds(summary.p50_ms, 9),
        milliseconds(summary.p90_ms, 9),
        milliseconds(summary.p99_ms, 9),
        milliseconds(summary.p999_ms, 9),
        milliseconds(summary.max_ms, 9)
    )
}
