//! `eventstore index`.

use std::io::{IsTerminal as _, Write as _};

use eventstore::{EventStore, IndexProgress, IndexState};
use serde_json::json;

use crate::args::IndexCommand;
use crate::{Failure, output};

pub(crate) async fn run(store: &EventStore, command: IndexCommand) -> Result<(), Failure> {
    match command {
        IndexCommand::List => list(store).await,
        IndexCommand::Add { path } => {
            store.index_path(path).on_progress(progress).await?;
            list(store).await
        }
        IndexCommand::Drop { path } => {
            store.drop_path(path).on_progress(progress).await?;
            list(store).await
        }
    }
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
