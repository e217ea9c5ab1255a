//! `eventstore index`.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use eventstore::{EventStore, IndexBuild, IndexProgress, IndexState};
use serde_json::json;

use crate::args::IndexCommand;
use crate::{Failure, output};

pub(crate) async fn run(store: &EventStore, command: IndexCommand) -> Result<(), Failure> {
    match command {
        IndexCommand::List => list(store).await,
        IndexCommand::Add { path, full_speed } => {
            build(store.index_path(path), full_speed).await?;
            list(store).await
        }
        IndexCommand::Drop { path, full_speed } => {
            build(store.drop_path(path), full_speed).await?;
            list(store).await
        }
    }
}

async fn build(build: IndexBuild, full_speed: bool) -> Result<(), Failure> {
    let build = build.on_progress(progress);
    let build = if full_speed { build.rest(Duration::ZERO) } else { build };
    Ok(build.await?)
}

async fn list(store: &EventStore) -> Result<(), Failure> {
    let paths = store.indexed_paths().await?;
    output::line(json!({"path": "*", "top_level": paths.top_level}))?;
    for path in paths.declared {
        let state = match path.state {
            IndexState::Building => "building",
            IndexState::Ready => "ready",
            IndexState::Dropping => "dropping",
            _ => "unknown",
        };
        output::line(json!({
            "path": path.path, "state": state, "done": path.done.get(), "target": path.target.get(),
        }))?;
    }
    Ok(())
}

/// For a person who waits; nothing without a terminal.
fn progress(progress: IndexProgress) {
    let mut err = std::io::stderr();
    if err.is_terminal() {
        // A person who has closed the terminal does not look any more.
        let _ = write!(err, "\r{} of {} events", progress.done, progress.target);
        if progress.done >= progress.target {
            let _ = writeln!(err);
        }
    }
}
