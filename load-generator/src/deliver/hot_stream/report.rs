//! What `hot-stream` reports.

use std::fmt;

use serde::Serialize;

use crate::deliver::hot_stream::tally::{Book, Requests};
use crate::deliver::hot_stream::{Audit, CONNECTIONS, HotStreamPlan, Measured, PROMPT};
use crate::deliver::ms;
use crate::histogram::Latencies;
use crate::verdict::Verdict;

const OVERALL: &str = "overall";

#[derive(Debug, Serialize)]
pub(super) struct Report {
    scenario: &'static str,
    opinions_before: u64,
    votes_before: u64,
    participants_before: u64,
    seconds: f64,
    longest_pause_s: f64,
    every_s: f64,
    window_s: f64,
    connections: usize,
    replicas: usize,
    cpus: usize,
    ours: Side,
    baseline: Side,
    /// The baseline's p95 over ours.
    p95_ratios: Vec<Ratio>,
    /// Where COUNT statements were counted.
    counted_at: &'static str,
    audit: Audit,
}

#[derive(Debug, Serialize)]
struct Side {
    rows: Vec<Row>,
    /// The most users before a request failed, or votes had a p95 of a second or more, in some window.
    held_users: usize,
    broke_at_users: Option<usize>,
    /// Statements with a COUNT that requests handed to a server.
    count_statements: u64,
    /// The most votes that were missing in counters that were shown.
    most_votes_behind: i64,
    first_failure: Option<String>,
}

#[derive(Debug, Serialize)]
struct Row {
    phase: String,
    requests: u64,
    /// Second votes on an opinion.
    refused: u64,
    errors: u64,
    timeouts: u64,
    votes: Quantiles,
    opinions: Quantiles,
}

#[derive(Debug, Serialize)]
struct Quantiles {
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
}

#[derive(Debug, Serialize)]
struct Ratio {
    phase: String,
    votes: Option<f64>,
    opinions: Option<f64>,
}

impl Report {
    pub(super) fn new(
        plan: &HotStreamPlan,
        replicas: usize,
        (ours, audit): (Measured, Audit),
        baseline: Measured,
    ) -> Self {
        let [ours, baseline] = [ours, baseline].map(|measured| Side::new(plan, measured));
        let p95_ratios = ours.rows.iter().zip(&baseline.rows).map(|(ours, baseline)| Ratio {
            phase: ours.phase.clone(),
            votes: ratio(&baseline.votes, &ours.votes),
            opinions: ratio(&baseline.opinions, &ours.opinions),
        });
        Self {
            scenario: "hot-stream",
            opinions_before: plan.before.opinions,
            votes_before: plan.before.votes,
            participants_before: plan.before.participants(),
            seconds: plan.ramp.length().as_secs_f64(),
            longest_pause_s: plan.longest_pause.as_secs_f64(),
            every_s: plan.every.as_secs_f64(),
            window_s: plan.window.as_secs_f64(),
            connections: CONNECTIONS,
            replicas,
            cpus: std::thread::available_parallelism().map_or(0, usize::from),
            p95_ratios: p95_ratios.collect(),
            ours,
            baseline,
            counted_at: "the text of every statement that requests hand to a server themselves; the store's own are not looked at",
            audit,
        }
    }

    pub(super) fn verdict(&self) -> Verdict {
        let audit = &self.audit;
        // Of a request that failed nobody knows whether it was carried out.
        let failed = self.ours.rows.last().map_or(0, |overall| overall.errors + overall.timeouts);
        let is_wrong = audit.overlapping_recomputes > 0
            || audit.lost_votes > 0
            || audit.doubled_votes > 0
            || audit.wrong_opinions > 0
            || audit.unacknowledged_votes > failed;
        match audit.counters_equal_after_ms {
            Some(after) if !is_wrong && after <= ms(PROMPT) => Verdict::Kept,
            Some(_) if !is_wrong => Verdict::TooSlow,
            _ => Verdict::Violated,
        }
    }
}

impl Side {
    fn new(plan: &HotStreamPlan, measured: Measured) -> Self {
        let Measured { mut book, count_statements } = measured;
        let stand = book.stand(&plan.ramp, plan.window);
        let overall = Row::new(OVERALL.to_owned(), &book.overall());
        let Book { phases, most_votes_behind, first_failure, .. } = book;
        let rows =
            plan.ramp.names().into_iter().zip(&phases).map(|(name, requests)| Row::new(name, requests));
        Self {
            rows: rows.chain([overall]).collect(),
            held_users: stand.held,
            broke_at_users: stand.broke_at,
            count_statements,
            most_votes_behind,
            first_failure,
        }
    }
}

impl Row {
    fn new(phase: String, of: &Requests) -> Self {
        Self {
            phase,
            requests: of.made,
            refused: of.refused,
            errors: of.errors,
            timeouts: of.timeouts,
            votes: Quantiles::new(&of.votes),
            opinions: Quantiles::new(&of.opinions),
        }
    }
}

impl Quantiles {
    fn new(of: &Latencies) -> Self {
        let [p50_ms, p95_ms, p99_ms] = [0.5, 0.95, 0.99].map(|quantile| of.quantile_ms(quantile));
        Self { p50_ms, p95_ms, p99_ms }
    }
}

/// None where one of them has nothing measured.
fn ratio(of: &Quantiles, to: &Quantiles) -> Option<f64> {
    (of.p95_ms > 0.0 && to.p95_ms > 0.0).then(|| (of.p95_ms / to.p95_ms * 100.0).round() / 100.0)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "hot-stream: {} opinions and {} votes of {} users before; {} s; {} connections to the primary, {} replica(s), {} CPUs",
            self.opinions_before,
            self.votes_before,
            self.participants_before,
            self.seconds,
            self.connections,
            self.replicas,
            self.cpus
        )?;
        writeln!(
            f,
            "  {:<28} requests  refused  errors  time-outs  votes p50 ms      p95      p99  opinions p50 ms      p95      p99",
            ""
        )?;
        for (name, side) in [("ours", &self.ours), ("baseline", &self.baseline)] {
            side.rows.iter().try_for_each(|row| row.write(name, f))?;
        }
        for (name, side) in [("ours", &self.ours), ("baseline", &self.baseline)] {
            let broke = match side.broke_at_users {
                Some(users) => format!("broke on the way to {users}"),
                None => "did not break".to_owned(),
            };
            writeln!(
                f,
                "{name}: held {} users, {broke}; {} COUNT statements by requests; counters shown were {} votes behind at most{}",
                side.held_users,
                side.count_statements,
                side.most_votes_behind,
                side.first_failure
                    .as_ref()
                    .map_or_else(String::new, |reason| format!("; first error: {reason}"))
            )?;
        }
        for Ratio { phase, votes, opinions } in &self.p95_ratios {
            let [votes, opinions] = [votes, opinions]
                .map(|ratio| ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.1} x")));
            writeln!(f, "the baseline's p95 over ours, {phase}: votes {votes}, opinions {opinions}")?;
        }
        let audit = &self.audit;
        let equal = match audit.counters_equal_after_ms {
            Some(after) => format!("equal the log {after:.0} ms after the load"),
            None => format!("NEVER equal the log: {:?} instead of {:?}", audit.counters, audit.log),
        };
        writeln!(
            f,
            "counters, recomputed every {} s at most: {equal}; {} recomputes, p95 {:.1} ms, {} of them beside another one",
            self.every_s, audit.recomputes, audit.recompute_p95_ms, audit.overlapping_recomputes
        )?;
        writeln!(
            f,
            "{} votes acknowledged: {} lost, {} doubled; {} in the log that were not acknowledged; {} opinions: {} lost or doubled",
            audit.acknowledged_votes,
            audit.lost_votes,
            audit.doubled_votes,
            audit.unacknowledged_votes,
            audit.acknowledged_opinions,
            audit.wrong_opinions
        )
    }
}

impl Row {
    fn write(&self, side: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "  {:<28} {:>8} {:>8} {:>7} {:>10} {:>13.2} {:>8.2} {:>8.2} {:>16.2} {:>8.2} {:>8.2}",
            format!("{side}, {}", self.phase),
            self.requests,
            self.refused,
            self.errors,
            self.timeouts,
            self.votes.p50_ms,
            self.votes.p95_ms,
            self.votes.p99_ms,
            self.opinions.p50_ms,
            self.opinions.p95_ms,
            self.opinions.p99_ms
        )
    }
}
