//! What `subscribe` reports.

use std::fmt;

use serde::Serialize;

use crate::deliver::subscribe::conditional::ConditionalReads;

/// What one way came to.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) way: &'static str,
    pub(super) appended: u64,
    pub(super) delivered: u64,
    pub(super) expected: u64,
    /// Skipped, doubled or out of order, of one subscriber.
    pub(super) misplaced: u64,
    /// Sessions that listened and were ended.
    pub(super) listeners_killed: u64,
    /// Statements that servers answered to subscribers, from the first append until the time of the appends was over.
    pub(super) statements: u64,
    pub(super) bytes: u64,
    /// From when servers were asked until they had answered, in milliseconds; what waits for the answer before it counts from there.
    pub(super) database_ms: f64,
    pub(super) delay_p50_ms: f64,
    pub(super) delay_p99_ms: f64,
    pub(super) delay_max_ms: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) scenario: &'static str,
    pub(super) subscribers: u32,
    pub(super) handles: u32,
    pub(super) seconds: f64,
    pub(super) poll_every_s: f64,
    pub(super) fallback_s: f64,
    pub(super) rows: Vec<Row>,
    /// Less than by polling, as a share: statements, bytes, time of the servers.
    pub(super) saved: [f64; 3],
    /// `query(…).if_newer_than(…)`, where nothing is newer.
    pub(super) conditional_reads: ConditionalReads,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "subscribe: {} subscribers over {} handles, one append a second, {} s; polling every {} s, woken with a fallback of {} s",
            self.subscribers, self.handles, self.seconds, self.poll_every_s, self.fallback_s
        )?;
        writeln!(
            f,
            "  {:<36} delivered   of  statements      bytes  servers ms  delay p50 ms   p99 ms   longest",
            ""
        )?;
        for row in &self.rows {
            writeln!(
                f,
                "  {:<36} {:>9} {:>4} {:>11} {:>10} {:>11.1} {:>13.2} {:>8.2} {:>9.2}",
                row.way,
                row.delivered,
                row.expected,
                row.statements,
                row.bytes,
                row.database_ms,
                row.delay_p50_ms,
                row.delay_p99_ms,
                row.delay_max_ms
            )?;
        }
        let [statements, bytes, time] = self.saved.map(|share| share * 100.0);
        writeln!(
            f,
            "woken saves {statements:.1} % of the statements, {bytes:.1} % of the bytes, {time:.1} % of the time"
        )?;
        let reads = &self.conditional_reads;
        writeln!(
            f,
            "conditional reads, {} at once: {:.0}/s, p50 {:.2} ms, p95 {:.2} ms, p99 {:.2} ms",
            reads.at_once, reads.per_second, reads.p50_ms, reads.p95_ms, reads.p99_ms
        )
    }
}
