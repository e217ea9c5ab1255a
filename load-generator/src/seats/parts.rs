//! A contest of several processes. How they talk: see the module above.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eventstore::Settings;
use futures_util::future::try_join_all;
use testutil::checker::{History, Recorder};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::error::RunError;
use crate::seats::contest::{self, Contest, Tally};
use crate::seats::{PartPlan, SeatsPlan};
use crate::servers::Servers;
use crate::subprocess::Subprocess;

/// Starts the parts, has them fight, and collects what they did.
pub(super) async fn run(plan: &SeatsPlan, servers: &Servers) -> Result<(Tally, Duration, History), RunError> {
    let folder = tempfile::tempdir().map_err(RunError::io("making a folder for the histories"))?;
    let file = |number: u64| folder.path().join(format!("history{number}"));
    let mut parts = Vec::new();
    for number in 0..plan.processes {
        let history = plan.audit.then(|| file(number));
        let share = |upto: u64| plan.clients * upto / plan.processes;
        let numbers = (share(number), share(number + 1));
        parts.push(start(plan, numbers, history.as_deref(), &servers.primary)?);
    }
    try_join_all(parts.iter_mut().map(|part| part.expect("ready"))).await?;
    let began = Instant::now();
    let tallies = try_join_all(parts.iter_mut().map(fight)).await?;
    let took = began.elapsed();
    let mut total = Tally::default();
    tallies.into_iter().for_each(|tally| total.add(tally));
    let mut history = History::default();
    if plan.audit {
        for number in 0..plan.processes {
            let load =
                Recorder::load(&file(number)).map_err(RunError::io("reading the history of a process"))?;
            history.operations.extend(load.operations);
        }
    }
    Ok((total, took, history))
}

fn start(
    plan: &SeatsPlan,
    (from, to): (u64, u64),
    history: Option<&Path>,
    primary: &str,
) -> Result<Subprocess, RunError> {
    let (seats, clients) = (plan.seats.to_string(), format!("{from}-{to}"));
    let fixed = ["run", "--scenario", "seats", "--engine", plan.engine.as_str()];
    let arguments = fixed.into_iter().chain(["--seats", &seats, "--part", &clients]).map(OsString::from);
    let history = history.into_iter().flat_map(|path| ["--history".into(), path.into()]);
    Subprocess::start(arguments.chain(history), primary, None)
}

async fn fight(part: &mut Subprocess) -> Result<Tally, RunError> {
    part.tell("go").await?;
    let line = part.line().await?;
    serde_json::from_str(&line).map_err(|_| RunError::new(format!("a process of the contest said {line:?}")))
}

/// What a part does.
pub(crate) async fn part(plan: PartPlan) -> Result<(), RunError> {
    let servers = Arc::new(Servers::find(Some(&plan.primary), &[]).await?);
    let engine = plan
        .engine
        .connect(&servers, &super::schema(plan.engine), contest::PATHS, Settings::default(), None)
        .await?;
    let recorder = match &plan.history {
        Some(path) => Some(Arc::new(Recorder::to_file(path).map_err(RunError::io(path.display()))?)),
        None => None,
    };
    let contest = Contest::prepare(&*engine, plan.seats, plan.clients, recorder.as_ref()).await?;
    println!("ready");
    let mut input = BufReader::new(tokio::io::stdin()).lines();
    match input.next_line().await.map_err(RunError::io("waiting for the start"))? {
        Some(_) => {}
        None => return Err(RunError::new("the contest was given up before it began")),
    }
    let tally = tokio::select! {
        tally = contest.fight() => tally?,
        // Whoever started this one is gone.
        Ok(None) | Err(_) = input.next_line() => return Err(RunError::new("the contest was given up")),
    };
    let line = serde_json::to_string(&tally).map_err(|error| RunError::new(error.to_string()))?;
    println!("{line}");
    Ok(())
}
