//! Clients in a process of their own, which is killed.
//!
//! *Owner.* The injector has one such process at a time: this same program with `chaos --part`. It connects through the
//! proxy, says `acknowledged` when the first of its appends was, and goes on until it is killed. Its history is in a file, written
//! operation by operation, so that what was under way is in it as begun. When our process ends, the input of the other one
//! does too, and it ends itself.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use testutil::checker::{Operation, Recorder};
use tokio::io::AsyncBufReadExt as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::chaos::progress::Progress;
use crate::chaos::workload::Worker;
use crate::chaos::{connect, early};
use crate::error::RunError;
use crate::subprocess::Subprocess;

/// Clients of such a process.
const CLIENTS: u64 = 8;
/// The numbers of clients of one process, and more than any has.
const NUMBERS: u64 = 10_000;

/// What such a process has to do.
#[derive(Debug, Clone)]
pub(crate) struct PartPlan {
    /// How many came before it.
    pub(crate) number: u64,
    pub(crate) seed: u64,
    pub(crate) primary: String,
    pub(crate) replica: Option<String>,
    pub(crate) history: PathBuf,
}

/// One process after the other.
pub(super) struct Processes {
    seed: u64,
    primary: String,
    replica: Option<String>,
    folder: tempfile::TempDir,
    started: u64,
    running: Option<Subprocess>,
}

impl Processes {
    pub(super) fn new(seed: u64, primary: String, replica: Option<String>) -> Result<Self, RunError> {
        let folder = tempfile::tempdir().map_err(RunError::io("making a folder for the histories"))?;
        Ok(Self { seed, primary, replica, folder, started: 0, running: None })
    }

    /// Starts the next one, and returns when it has appended something.
    pub(super) async fn start(&mut self) -> Result<(), RunError> {
        self.started += 1;
        let fixed = ["chaos", "--part", &self.started.to_string(), "--seed", &self.seed.to_string()];
        let arguments = fixed.map(OsString::from).into_iter();
        let history = ["--history".into(), self.history(self.started).into()];
        let arguments = arguments.chain(history);
        let mut process = Subprocess::start(arguments, &self.primary, self.replica.as_deref())?;
        process.expect("acknowledged").await?;
        self.running = Some(process);
        Ok(())
    }

    /// Kills the one that runs, if there is one.
    pub(super) async fn kill(&mut self) -> Result<(), RunError> {
        match self.running.take() {
            Some(process) => process.kill().await,
            None => Ok(()),
        }
    }

    /// What the clients of all of them asked and were told.
    pub(super) fn operations(&self) -> Result<Vec<Operation>, RunError> {
        let mut operations = Vec::new();
        for number in 1..=self.started {
            match Recorder::load(&self.history(number)) {
                Ok(history) => operations.extend(history.operations),
                // It ended before it did anything.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(RunError::io("reading the history of a process")(error)),
            }
        }
        Ok(operations)
    }

    fn history(&self, number: u64) -> PathBuf {
        self.folder.path().join(format!("history{number}"))
    }
}

/// What such a process does.
pub(crate) async fn part(plan: PartPlan) -> Result<(), RunError> {
    let builder = eventstore::EventStore::builder().primary(&plan.primary);
    let store = connect(plan.replica.iter().fold(builder, eventstore::EventStoreBuilder::replica)).await?;
    let recorder = Recorder::to_file(&plan.history).map_err(RunError::io(plan.history.display()))?;
    let recorder = Arc::new(recorder);
    let progress = Arc::new(Progress::default());
    let mut acknowledged = progress.acknowledgements();
    let stop = CancellationToken::new();
    let mut workers = JoinSet::new();
    for number in (plan.number * NUMBERS..).take(CLIENTS as usize) {
        let random = ChaCha8Rng::seed_from_u64(plan.seed.wrapping_mul(1_000).wrapping_add(number));
        let (recorder, progress) = (Arc::clone(&recorder), Arc::clone(&progress));
        let worker = Worker::new(number, store.clone(), random, recorder, progress);
        workers.spawn(worker.run(stop.clone()));
    }
    let mut input = tokio::io::BufReader::new(tokio::io::stdin()).lines();
    let parent = async {
        if acknowledged.wait_for(|count| *count > 0).await.is_ok() {
            println!("acknowledged");
        }
        while let Ok(Some(_)) = input.next_line().await {}
    };
    tokio::select! {
        () = parent => Err(RunError::new("the run was given up")),
        Some(ended) = workers.join_next() => Err(early(ended)),
    }
}
