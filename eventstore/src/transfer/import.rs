//! Events into a log.
//!
//! Lines are appended in chunks, one after the other, so that their order is kept. A chunk that the log refuses is
//! halved until what is refused is one event: some of the events of an import that was broken off are there, others are
//! not, and a line that can not be imported is named by its number.

use std::fmt;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};
use tokio::time::sleep;

use crate::append::Receipt;
use crate::error::{Error, ErrorKind};
use crate::event::NewEvent;
use crate::position::Position;
use crate::store::EventStore;
use crate::transfer::{OnProgress, TransferProgress, line};

/// How many bytes of lines one chunk has, at most, but for its last line.
const CHUNK_BYTES: usize = 2 << 20;
/// How long a line may be: payload and metadata, in which every byte may be written as six, and the rest.
const LINE_PER_PAYLOAD: u64 = 12;
const LINE_AT_LEAST: u64 = 64 << 10;
/// How often a chunk is sent again that the server did not take, or did not answer. It has the same ids each time.
const RETRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(500);

/// An import that is being described; [`read_from`](Self::read_from) carries it out. See [`EventStore::import`].
#[must_use = "nothing is imported until it is read from somewhere"]
pub struct Import {
    store: EventStore,
    on_progress: Option<OnProgress>,
}

/// What was imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Imported {
    /// Events that were appended.
    pub appended: u64,
    /// Events that were there already.
    pub repeated: u64,
    /// Where the last event of the import stands in the log.
    pub last_position: Position,
}

/// Consecutive events, each with the number of its line.
type Chunk = Vec<(u64, NewEvent)>;

impl Import {
    pub(crate) fn new(store: &EventStore) -> Self {
        Self { store: store.clone(), on_progress: None }
    }

    /// Calls this after each chunk of up to a thousand events.
    pub fn on_progress(mut self, tell: impl FnMut(TransferProgress) + Send + 'static) -> Self {
        self.on_progress = Some(Box::new(tell));
        self
    }

    /// Appends the events of all lines, in their order. Empty lines are passed over.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a line that is not an event, or one whose id is in the log with another
    /// type, payload or metadata: the error names the line, and everything before it is imported;
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if reading failed; else as for [`Append`](crate::Append).
    ///
    /// # Cancellation
    /// A first part of the lines is imported; importing the same lines again goes on.
    pub async fn read_from<R: AsyncBufRead + Unpin>(mut self, mut source: R) -> Result<Imported, Error> {
        let mut imported = Imported::default();
        let (mut chunk, mut bytes, mut text) = (Chunk::new(), 0, String::new());
        let settings = self.store.settings();
        let most = settings.max_events_per_append;
        let longest = (settings.max_payload_bytes as u64)
            .saturating_mul(LINE_PER_PAYLOAD)
            .saturating_add(LINE_AT_LEAST);
        for number in 1_u64.. {
            text.clear();
            let read = (&mut source).take(longest).read_line(&mut text).await;
            let is_end = *read.as_ref().unwrap_or(&0) == 0;
            let event = match read {
                Ok(bytes) if bytes as u64 == longest && !text.ends_with('\n') => {
                    Err(Error::invalid(format!("import: line {number} is longer than {longest} bytes")))
                }
                Ok(_) if text.trim().is_empty() => Ok(None),
                Ok(_) => line::parse(&text).map(Some).map_err(|error| at_line(number, &error)),
                Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                    Err(Error::invalid(format!("import: line {number} is not UTF-8")))
                }
                Err(error) => Err(Error::unavailable(format!("import: reading line {number}: {error}"))),
            };
            let is_bad = event.is_err();
            if let Ok(Some(event)) = &event {
                bytes += text.len();
                chunk.push((number, event.clone()));
            }
            if is_bad || is_end || chunk.len() == most || bytes >= CHUNK_BYTES {
                self.append(std::mem::take(&mut chunk), &mut imported).await?;
                bytes = 0;
            }
            event?;
            if is_end {
                break;
            }
        }
        Ok(imported)
    }

    async fn append(&mut self, chunk: Chunk, imported: &mut Imported) -> Result<(), Error> {
        let mut waiting = vec![chunk];
        while let Some(mut chunk) = waiting.pop() {
            if chunk.is_empty() {
                continue;
            }
            match send(&self.store, &chunk).await {
                Ok((receipt, is_first)) => {
                    let events = chunk.len() as u64;
                    // Repeated by ourselves, if it was not answered at once.
                    if receipt.is_repeated() && is_first {
                        imported.repeated += events;
                    } else {
                        imported.appended += events;
                    }
                    imported.last_position = receipt.last_position();
                }
                Err(error) if error.kind() == ErrorKind::Invalid && chunk.len() > 1 => {
                    let second = chunk.split_off(chunk.len() / 2);
                    waiting.extend([second, chunk]);
                }
                Err(error) => return Err(at_line(chunk[0].0, &error)),
            }
        }
        if let Some(tell) = &mut self.on_progress {
            let events = imported.appended + imported.repeated;
            tell(TransferProgress { events, position: imported.last_position });
        }
        Ok(())
    }
}

/// Tells also whether it was answered at once.
async fn send(store: &EventStore, chunk: &Chunk) -> Result<(Receipt, bool), Error> {
    let mut retries = 0;
    loop {
        let events = chunk.iter().map(|(_, event)| event.clone());
        match store.append(events).await {
            Err(error)
                if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Indeterminate)
                    && retries < RETRIES =>
            {
                retries += 1;
                sleep(PAUSE).await;
            }
            result => return result.map(|receipt| (receipt, retries == 0)),
        }
    }
}

fn at_line(number: u64, error: &Error) -> Error {
    Error::new(error.kind(), format!("import: line {number}: {error}"))
}

impl fmt::Debug for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Import").finish_non_exhaustive()
    }
}
