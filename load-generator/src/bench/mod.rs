//! Benchmarks: the store against what it is compared with, interleaved on the same servers.
//!
//! A benchmark is a list of [`Case`]s, such as a number of clients; each has contestants that do the same. A round
//! measures every contestant of every case once; which one goes first changes from round to round, so that a machine
//! whose speed drifts is unfair to none. What is reported is the median of the rounds, and ratios of medians.

mod append;
mod catch_up;
mod closed_loop;
mod contended;
mod decide;
mod import;
mod lending;
mod picture;
mod processes;
mod query;
mod report;
mod rounds;
mod scale;

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use eventstore::Settings;

use crate::engine::{BENCH_PATHS, Books, Engine, EngineName};
use crate::environment;
use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::output::{Output, Place};
use crate::servers::Servers;
use rounds::Case;

pub(crate) use processes::{PartPlan, part};

/// What is to be measured.
#[derive(Debug, Clone)]
pub(crate) struct BenchPlan {
    pub(crate) bench: BenchName,
    /// Empty for those of each benchmark.
    pub(crate) clients: Vec<usize>,
    /// Empty for those of each benchmark.
    pub(crate) engines: Vec<EngineName>,
    pub(crate) rounds: usize,
    /// Of each measurement.
    pub(crate) duration: Duration,
    pub(crate) preload: u64,
    pub(crate) primary: Option<String>,
    pub(crate) replicas: Vec<String>,
    pub(crate) json: Option<PathBuf>,
    /// Where rates against numbers of clients are to be drawn.
    pub(crate) picture: Option<PathBuf>,
}

/// Which benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchName {
    /// Conditional appends: one event, on the condition that its type has no event with its key
    Append,
    /// Decisions that compete for 1,000 keys, some of them far more often than others; audited
    Contended,
    /// Decisions: a query of what concerns a book or a reader, then an append on the condition that there is nothing new
    Decide,
    /// Queries: of two predicates, of one, of what is new, of the newest ten
    Query,
    /// Importing events, against COPY into the same tables
    Import,
    /// Reading a whole log as a stream, against COPY of it; and how much memory that takes
    CatchUp,
    /// Appends and queries on logs of growing size, and a condition that rests on an old position
    Scale,
    /// Appends of 4 processes with 16 clients each, against one with 64
    Processes,
    /// All of them, one after the other
    All,
}

impl BenchName {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Contended => "contended",
            Self::Decide => "decide",
            Self::Query => "query",
            Self::Import => "import",
            Self::CatchUp => "catch-up",
            Self::Scale => "scale",
            Self::Processes => "processes",
            Self::All => "all",
        }
    }

    /// What a picture of it shows.
    fn title(self) -> &'static str {
        match self {
            Self::Append => "Conditional appends a second",
            Self::Contended => "Decisions a second that compete for 1,000 keys",
            Self::Decide => "Decisions a second: a query and a conditional append",
            _ => self.as_str(),
        }
    }

    /// Whether the number of clients, the engines, and the size of the log can be said, and a picture can be drawn.
    pub(crate) fn takes(self, flag: &str) -> bool {
        match self {
            Self::Append | Self::Decide | Self::Contended if flag == "picture" => true,
            _ if flag == "picture" => false,
            Self::Append | Self::Decide | Self::Query | Self::All => true,
            Self::Contended => flag != "preload",
            Self::Import | Self::CatchUp | Self::Processes => flag == "preload",
            Self::Scale => false,
        }
    }

    const EACH: [Self; 8] = [
        Self::Append,
        Self::Contended,
        Self::Decide,
        Self::Query,
        Self::Import,
        Self::CatchUp,
        Self::Scale,
        Self::Processes,
    ];
}

/// What every benchmark works with.
struct Stage {
    plan: BenchPlan,
    servers: Arc<Servers>,
    interrupt: Interrupt,
}

/// Carries it out and reports.
pub(crate) async fn run(plan: BenchPlan) -> Result<(), RunError> {
    let output = Output::open(plan.json.as_deref())?;
    let picture = plan.picture.as_deref().map(Place::open).transpose()?;
    refuse_same(&output, picture.as_ref())?;
    let interrupt = Interrupt::listen()?;
    let servers = Arc::new(interrupt.or_stop(Servers::find(plan.primary.as_ref(), &plan.replicas)).await?);
    let settings = environment::settings(&servers.primary).await.ok_or_else(|| {
        RunError::new("the server's settings can not be read, without which the figures mean nothing")
    })?;
    let each = if plan.bench == BenchName::All { BenchName::EACH.to_vec() } else { vec![plan.bench] };
    let stage = Stage { plan, servers, interrupt };
    let mut report = report::Report::new(&stage.plan, stage.servers.replicas.len(), settings);
    report.note(stage.servers.doubt());
    let mut failed = Ok(());
    for bench in each {
        failed = stage.measure(bench, &mut report).await;
        if failed.is_err() {
            break;
        }
    }
    if stage.servers.lack_checkpoints() {
        report.note(Some("measured without checkpoints before: the role may not ask for one".to_owned()));
    }
    // The rounds that are complete are not lost with a later one.
    if report.is_empty() {
        return failed;
    }
    let published = output.publish(&report);
    let draw = |place: Place| place.fill(|to| write!(to, "{}", report.picture(&stage.plan)));
    published.and(picture.map_or(Ok(()), draw)).and(failed)
}

/// One would take the other's place.
fn refuse_same(output: &Output, picture: Option<&Place>) -> Result<(), RunError> {
    let (Output::PersonAndFile(json), Some(picture)) = (output, picture) else { return Ok(()) };
    if picture.identity().is_some() && picture.identity() == json.identity() {
        let path = picture.path().display();
        return Err(RunError::new(format!("--picture {path}: --json goes to the same file")));
    }
    Ok(())
}

impl Stage {
    /// One benchmark, as far as it comes.
    async fn measure(&self, bench: BenchName, report: &mut report::Report) -> Result<(), RunError> {
        let (cases, notes) = self.interrupt.or_stop(self.prepare(bench)).await?;
        let (measured, failed) = rounds::run(self, bench.as_str(), &cases).await;
        report.add(bench.as_str(), &cases, measured, notes);
        failed
    }

    /// The cases, and what else is to be said.
    async fn prepare(&self, bench: BenchName) -> Result<(Vec<Case>, Vec<String>), RunError> {
        match bench {
            BenchName::Append => append::cases(self).await,
            BenchName::Contended => contended::cases(self).await,
            BenchName::Decide => decide::cases(self).await,
            BenchName::Query => query::cases(self).await,
            BenchName::Import => import::cases(self).await,
            BenchName::CatchUp => catch_up::cases(self).await,
            BenchName::Scale => scale::cases(self).await,
            BenchName::Processes => processes::cases(self).await,
            BenchName::All => Err(RunError::new("each benchmark has cases of its own")),
        }
    }

    fn clients(&self, usual: &[usize]) -> Vec<usize> {
        if self.plan.clients.is_empty() { usual.to_vec() } else { self.plan.clients.clone() }
    }

    /// Connects to the logs of the engines, and fills them anew, each in the schema bench_ENGINE.
    async fn filled(
        &self,
        usual: &[EngineName],
        books: Books,
    ) -> Result<Vec<(EngineName, Arc<dyn Engine>)>, RunError> {
        let names = if self.plan.engines.is_empty() { usual } else { &self.plan.engines };
        let mut engines = Vec::new();
        for name in names {
            engines.push((*name, self.fill(*name, &schema(*name), self.plan.preload, books).await?));
        }
        Ok(engines)
    }

    async fn fill(
        &self,
        name: EngineName,
        schema: &str,
        events: u64,
        books: Books,
    ) -> Result<Arc<dyn Engine>, RunError> {
        let bar = rounds::spinner(format!("{}: writing {events} events", name.as_str()));
        let engine = name.connect(&self.servers, schema, &BENCH_PATHS, Settings::default(), None).await?;
        engine.fill(events, books).await?;
        bar.finish_and_clear();
        Ok(engine)
    }
}

fn schema(name: EngineName) -> String {
    format!("bench_{}", name.as_str().replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_and_the_json_can_not_be_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let (json, link) = (folder.path().join("result"), folder.path().join("link"));
        let output = Output::open(Some(json.as_path())).unwrap();
        std::os::unix::fs::symlink(&json, &link).unwrap();
        for path in [&json, &link] {
            let picture = Place::open(path).unwrap();
            let refused = refuse_same(&output, Some(&picture)).unwrap_err().to_string();
            assert!(refused.contains(&path.display().to_string()) && refused.contains("--json"), "{refused}");
        }
        let elsewhere = Place::open(&folder.path().join("picture")).unwrap();
        refuse_same(&output, Some(&elsewhere)).unwrap();
        refuse_same(&Output::Script, Some(&elsewhere)).unwrap();
        refuse_same(&output, None).unwrap();
    }
}
