//! `eventstore export` and `import`.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use eventstore::{EventStore, TransferProgress};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncSeekExt as _, AsyncWrite, BufReader, BufWriter};

use crate::Failure;
use crate::args::ExportArgs;

/// What is read and written at once.
const BUFFER: usize = 1 << 16;

pub(crate) async fn export(store: &EventStore, args: ExportArgs) -> Result<(), Failure> {
    let sink: Box<dyn AsyncWrite + Unpin + Send> = match &args.file {
        Some(file) => {
            let opened =
                if args.after == 0 { new_file(file).await? } else { continued(file, args.after).await? };
            Box::new(opened)
        }
        None => Box::new(tokio::io::stdout()),
    };
    let export = store.export().filter(&args.filter.filter()).after(args.after).on_progress(progress);
    let exported = export.write_to(BufWriter::with_capacity(BUFFER, sink)).await?;
    eprintln!("{} events exported, up to position {}", exported.events, exported.last_position);
    Ok(())
}

/// Nothing is overwritten.
async fn new_file(path: &Path) -> Result<File, Failure> {
    let file = OpenOptions::new().write(true).create_new(true).open(path).await;
    file.map_err(Failure::io(path.display().to_string()))
}

/// The file of an export that was broken off: without the half of a line at its end, and only if its last event is the
/// one after which the export goes on. What has no whole line may be anything: nothing says that it is an export.
async fn continued(path: &Path, after: u64) -> Result<File, Failure> {
    let failure = |error| Failure::Io(path.display().to_string(), error);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .await
        .map_err(failure)?;
    let mut lines = BufReader::with_capacity(BUFFER, &mut file);
    let (mut whole, mut last, mut line) = (0, String::new(), Vec::new());
    loop {
        line.clear();
        let read = lines.read_until(b'\n', &mut line).await.map_err(failure)?;
        if !line.ends_with(b"\n") {
            if whole == 0 && read > 0 {
                return Err(Failure::Refused(format!(
                    "{} has {read} bytes and no whole line; expected an export that ends with position {after}, or no file",
                    path.display()
                )));
            }
            break;
        }
        whole += read as u64;
        last = String::from_utf8_lossy(&line).into_owned();
    }
    let position =
        serde_json::from_str::<serde_json::Value>(&last).ok().and_then(|event| event["position"].as_u64());
    if whole > 0 && position != Some(after) {
        let position =
            position.map_or_else(|| "no event".to_owned(), |position| format!("position {position}"));
        return Err(Failure::Refused(format!(
            "{} ends with {position}, and not with position {after}: say --after what it ends with",
            path.display()
        )));
    }
    file.set_len(whole).await.map_err(failure)?;
    file.seek(std::io::SeekFrom::End(0)).await.map_err(failure)?;
    Ok(file)
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
