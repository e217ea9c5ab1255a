//! What a contest came to.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::audit::Audit;
use crate::seats::SeatsPlan;
use crate::seats::contest::Tally;

#[derive(Debug, Serialize)]
pub(super) struct Report {
    scenario: &'static str,
    engine: &'static str,
    seats: u64,
    clients: u64,
    processes: u64,
    seconds: f64,
    #[serde(flatten)]
    tally: Tally,
    appends_per_second: f64,
    /// Only of an audited run.
    #[serde(skip_serializing_if = "Option::is_none")]
    audit: Option<Audit>,
}

impl Report {
    pub(super) fn new(plan: &SeatsPlan, tally: &Tally, took: Duration, audit: Option<Audit>) -> Self {
        Self {
            scenario: "seats",
            engine: plan.engine.as_str(),
            seats: plan.seats,
            clients: plan.clients,
            processes: plan.processes,
            seconds: took.as_secs_f64(),
            tally: *tally,
            appends_per_second: tally.appends as f64 / took.as_secs_f64(),
            audit,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { appends, taken, conflicts, left, errors } = self.tally;
        writeln!(
            f,
            "seats: {} clients in {} process(es) fought for {} seats by engine {} in {:.1} s",
            self.clients, self.processes, self.seats, self.engine, self.seconds
        )?;
        writeln!(
            f,
            "{appends} conditional appends, {:.0}/s: {taken} seats taken, {conflicts} conflicts; {left} times found taken; \
             {errors} errors",
            self.appends_per_second
        )?;
        match &self.audit {
            Some(audit) => writeln!(f, "{audit}"),
            None => writeln!(f, "not audited: --audit checks that every promise was kept"),
        }
    }
}
