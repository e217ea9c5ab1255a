//! Another process of this same program.

use std::ffi::OsString;
use std::iter;
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::error::RunError;
use crate::report::Report;
use crate::{connection, password};

/// A child process that says and is told lines. It is killed when dropped.
#[derive(Debug)]
pub(crate) struct Subprocess {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

/// Has this program make a load and takes its result. It is killed when dropped.
pub(crate) async fn report(
    arguments: impl IntoIterator<Item = OsString>,
    primary: &str,
    replicas: &[String],
) -> Result<Report, RunError> {
    let mut command = command(primary, replicas.first().map(String::as_str))?;
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let output = command.output().await.map_err(RunError::io("starting a process"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(RunError::new(format!("a process of this run failed ({}): {said}", output.status)));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| RunError::new(format!("a process of this run gave no result: {error}")))
}

/// This program. The connection strings are not on its command line, where everyone can read them, and passwords of a file nowhere.
fn command(primary: &str, replica: Option<&str>) -> Result<Command, RunError> {
    let program = std::env::current_exe().map_err(RunError::io("finding this program"))?;
    let mut command = Command::new(program);
    connection::hand_on(&mut command);
    command.env_remove("LOAD_GENERATOR_REPLICA");
    let replica = replica.map(|replica| ("LOAD_GENERATOR_REPLICA", replica));
    password::hand_on(&mut command, iter::once(("LOAD_GENERATOR_PRIMARY", primary)).chain(replica));
    Ok(command)
}

impl Subprocess {
    /// Starts it.
    pub(crate) fn start(
        arguments: impl IntoIterator<Item = OsString>,
        primary: &str,
        replica: Option<&str>,
    ) -> Result<Self, RunError> {
        let mut command = command(primary, replica)?;
        command.args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(RunError::io("starting a process"))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.ok_or_else(|| RunError::new("a process without pipes"))?;
        Ok(Self { child, input, output: BufReader::new(output).lines() })
    }

    /// The next line that it says.
    pub(crate) async fn line(&mut self) -> Result<String, RunError> {
        match self.output.next_line().await.map_err(RunError::io("listening to a process"))? {
            Some(line) => Ok(line),
            None => {
                let status = self.child.wait().await.map_err(RunError::io("waiting for a process"))?;
                Err(Self::ended_early(status))
            }
        }
    }

    /// Waits until it says this.
    pub(crate) async fn expect(&mut self, expected: &str) -> Result<(), RunError> {
        match self.line().await? {
            line if line == expected => Ok(()),
            other => Err(RunError::new(format!("a process said {other:?}, expected {expected:?}"))),
        }
    }

    pub(crate) async fn tell(&mut self, line: &str) -> Result<(), RunError> {
        let line = format!("{line}\n");
        self.input.write_all(line.as_bytes()).await.map_err(RunError::io("telling a process"))
    }

    /// Kills it with SIGKILL. It must still be there.
    pub(crate) async fn kill(mut self) -> Result<(), RunError> {
        if let Some(status) = self.child.try_wait().map_err(RunError::io("looking at a process"))? {
            return Err(Self::ended_early(status));
        }
        self.child.kill().await.map_err(RunError::io("killing a process"))
    }

    fn ended_early(status: ExitStatus) -> RunError {
        RunError::new(format!("a process of this run ended early: {status}"))
    }
}
