//! The scenario `seats`: every client fights for every seat, in the same order, in a closed loop.
//!
//! A seat may be taken once: a client appends `SeatTaken` on the condition that nobody has taken it. Every eighth time it
//! reads first, and leaves a seat alone that is taken. With `--audit` the history of all clients is checked at the end.
//!
//! *Processes.* One process alone carries the contest out itself. With several, this one starts the others, which are this
//! same program with `--part`: each connects and says `ready`; when all have, each is sent `go`; each ends with
//! its [`Tally`](contest::Tally) as a line of JSON. Their histories are in files, written operation by operation. A part whose input ends
//! before it was sent off stops; parts are killed if this process gives up.

mod contest;
mod parts;
mod report;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use eventstore::Settings;
use testutil::checker::{History, Recorder};

use crate::audit::Audit;
use crate::engine::{Books, EngineName};
use crate::error::RunError;
use crate::output::Output;
use crate::seats::contest::Contest;
use crate::seats::report::Report;
use crate::servers::Servers;
use crate::verdict::Verdict;

pub(crate) use parts::part;

/// What is to be done.
#[derive(Debug, Clone)]
pub(crate) struct SeatsPlan {
    pub(crate) engine: EngineName,
    pub(crate) seats: u64,
    /// Over all processes.
    pub(crate) clients: u64,
    pub(crate) processes: u64,
    pub(crate) audit: bool,
    pub(crate) primary: Option<String>,
    pub(crate) replicas: Vec<String>,
    pub(crate) json: Option<PathBuf>,
}

/// What one process of several has to do.
#[derive(Debug, Clone)]
pub(crate) struct PartPlan {
    pub(crate) engine: EngineName,
    pub(crate) seats: u64,
    pub(crate) clients: Range<u64>,
    pub(crate) primary: String,
    pub(crate) history: Option<PathBuf>,
}

impl SeatsPlan {
    fn schema(&self) -> String {
        schema(self.engine)
    }
}

/// One for each engine, made anew for each run.
fn schema(engine: EngineName) -> String {
    format!("seats_{}", engine.as_str().replace('-', "_"))
}

/// Carries the contest out, checks it if asked to, and reports.
pub(crate) async fn run(plan: SeatsPlan) -> Result<Verdict, RunError> {
    let output = Output::open(plan.json.as_deref())?;
    let servers = Arc::new(Servers::find(plan.primary.as_ref(), &plan.replicas).await?);
    let engine =
        plan.engine.connect(&servers, &plan.schema(), contest::PATHS, Settings::default(), None).await?;
    engine.fill(0, Books::of_ancestor()).await?;
    let (tally, took, history) = if plan.processes == 1 {
        let recorder = plan.audit.then(|| Arc::new(Recorder::in_memory()));
        let contest = Contest::prepare(&*engine, plan.seats, 0..plan.clients, recorder.as_ref()).await?;
        let began = Instant::now();
        let tally = contest.fight().await?;
        (tally, began.elapsed(), recorder.map_or_else(History::default, |recorder| recorder.take()))
    } else {
        parts::run(&plan, &servers).await?
    };
    let audit = if plan.audit { Some(Audit::of(&engine, history, 0).await?) } else { None };
    let verdict = audit.as_ref().map_or(Verdict::Kept, Audit::verdict);
    let report = Report::new(&plan, &tally, took, audit);
    let carried_out = match tally.errors {
        0 => Ok(()),
        errors => Err(RunError::new(format!("{errors} attempts failed: not every seat was fought for"))),
    };
    verdict.unless(output.publish(&report).and(carried_out))
}
