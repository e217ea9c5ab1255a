//! `eventstore export` and `import`.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use eventstore::{EventStore, TransferProgress};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncBufRead, AsyncWrite, BufReader, BufWriter};

use crate::Failure;
use crate::args::ExportArgs;

/// What is read and written at once.
const BUFFER: usize = 1 << 16;

pub(crate) async fn export(store: &EventStore, args: ExportArgs) -> Result<(), Failure> {
    let sink: Box<dyn AsyncWrite + Unpin + Send> = match &args.file {
        Some(file) => {
            // A new file, or the one that is gone on with: nothing is overwritten.
            let mut how = OpenOptions::new();
            if args.after == 0 {
                how.write(true).create_new(true)
            } else {
                how.create(true).append(true)
            };
            Box::new(how.open(file).await.map_err(Failure::io(file.display().to_string()))?)
        }
        None => Box::new(tokio::io::stdout()),
    };
    let export = store.export().filter(&args.filter.filter()).after(args.after).on_progress(progress);
    let exported = export.write_to(BufWriter::with_capacity(BUFFER, sink)).await?;
    eprintln!("{} events exported, up to position {}", exported.events, exported.last_position);
    Ok(())
}

pub(crate) async fn import(store: &EventStore, file: Option<PathBuf>) -> Result<(), Failure> {
    let source: Box<dyn AsyncBufRead + Unpin + Send> = match &file {
        Some(file) => {
            let opened = File::open(file).await.map_err(Failure::io(file.display().to_string()))?;
            Box::new(BufReader::with_capacity(BUFFER, opened))
        }
        None => Box::new(BufReader::with_capacity(BUFFER, tokio::io::stdin())),
    };
    let imported = store.import().on_progress(progress).read_from(source).await?;
    eprintln!(
        "{} events imported, {} were there already; the last one stands at position {}",
        imported.appended, imported.repeated, imported.last_position
    );
    Ok(())
}

/// For a person who waits; nothing without a terminal.
fn progress(progress: TransferProgress) {
    let mut err = std::io::stderr();
    if err.is_terminal() {
        // A person who has closed the terminal does not look any more.
        let _ = write!(err, "\r{} events, position {} ", progress.events, progress.position);
    }
}
