//! `bench processes`: appends of 4 processes with 16 clients each, against one with 64.
//!
//! Each process is this same program with `bench processes --part`: it connects, says `ready`, is told `go` when all are, and ends
//! with its [`PartResult`] as a line of JSON. It ends too when this process does.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use eventstore::Settings;
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::bench::append::FreshAppends;
use crate::bench::closed_loop;
use crate::bench::rounds::{Case, Contestant, Sample};
use crate::bench::{Stage, schema};
use crate::engine::{BENCH_PATHS, Books, EngineName};
use crate::error::RunError;
use crate::servers::Servers;
use crate::subprocess::Subprocess;

const ENGINE: EngineName = EngineName::Eventstore;

/// What one process has to do.
#[derive(Debug, Clone)]
pub(crate) struct PartPlan {
    pub(crate) clients: usize,
    pub(crate) duration: Duration,
    pub(crate) primary: String,
}

/// What it came to. Latencies in microseconds, each with how often it was.
#[derive(Debug, Serialize, Deserialize)]
struct PartResult {
    rate: f64,
    latencies: Vec<(u64, u64)>,
}

pub(super) async fn cases(stage: &Stage) -> Result<(Vec<Case>, Vec<String>), RunError> {
    stage.fill(ENGINE, &schema(ENGINE), stage.plan.preload, Books::of_ancestor()).await?;
    let contestants = [(4, 16), (1, 64)].map(|(processes, clients)| {
        let primary = stage.servers.primary.clone();
        Contestant::new(format!("{processes} x {clients} clients"), move |duration| {
            measure(processes, clients, duration, primary.clone())
        })
    });
    let case = Case { name: "processes".to_owned(), clients: None, contestants: contestants.into() };
    Ok((vec![case], Vec::new()))
}

async fn measure(
    processes: usize,
    clients: usize,
    duration: Duration,
    primary: String,
) -> Result<Sample, RunError> {
    let (clients, duration) = (clients.to_string(), format!("{}ms", duration.as_millis()));
    let arguments = ["bench", "processes", "--clients", &clients, "--duration", &duration, "--part"];
    let mut parts = Vec::new();
    for _ in 0..processes {
        parts.push(Subprocess::start(arguments.map(OsString::from), &primary, None)?);
    }
    try_join_all(parts.iter_mut().map(|part| part.expect("ready"))).await?;
    let results = try_join_all(parts.iter_mut().map(async |part| {
        part.tell("go").await?;
        let line = part.line().await?;
        serde_json::from_str::<PartResult>(&line)
            .map_err(|_| RunError::new(format!("a process of the benchmark said {line:?}")))
    }));
    let mut total = Sample::of_rate(0.0);
    for part in results.await? {
        total.rate += part.rate;
        for (us, count) in part.latencies {
            total.latencies.record_many(us, count);
        }
    }
    Ok(total)
}

/// What one process does.
pub(crate) async fn part(plan: PartPlan) -> Result<(), RunError> {
    let servers = Arc::new(Servers::find(Some(&plan.primary), &[]).await?);
    let engine = ENGINE.connect(&servers, &schema(ENGINE), &BENCH_PATHS, Settings::default(), None).await?;
    println!("ready");
    let mut input = BufReader::new(tokio::io::stdin()).lines();
    match input.next_line().await.map_err(RunError::io("waiting for the start"))? {
        Some(_) => {}
        None => return Err(RunError::new("the benchmark was given up before it began")),
    }
    let measuring = closed_loop::closed_loop(&engine, plan.clients, plan.duration, FreshAppends::new);
    let sample = tokio::select! {
        sample = measuring => sample?,
        Ok(None) | Err(_) = input.next_line() => return Err(RunError::new("the benchmark was given up")),
    };
    let result = PartResult { rate: sample.rate, latencies: sample.latencies.counts() };
    println!("{}", serde_json::to_string(&result).map_err(|error| RunError::new(error.to_string()))?);
    Ok(())
}
