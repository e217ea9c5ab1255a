//! Events out of a log.

use std::fmt;

use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::consistency::Consistency;
use crate::error::Error;
use crate::filter::Filter;
use crate::position::Position;
use crate::store::EventStore;
use crate::token::Token;
use crate::transfer::{OnProgress, TransferProgress, line};

/// How many events lie between two reports of progress.
const REPORT_EVERY: u64 = 1_000;

/// An export that is being described; [`write_to`](Self::write_to) carries it out. See [`EventStore::export`].
#[must_use = "nothing is exported until it is written somewhere"]
pub struct Export {
    store: EventStore,
    filter: Filter,
    after: Position,
    consistency: Consistency,
    on_progress: Option<OnProgress>,
}

/// What was exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exported {
    /// How many events.
    pub events: u64,
    /// The position of the last one, or where the export began: go on after it.
    pub last_position: Position,
}

impl Export {
    pub(crate) fn new(store: &EventStore) -> Self {
        let (store, after, consistency) = (store.clone(), Position::START, Consistency::Eventual);
        Self { store, filter: Filter::all(), after, consistency, on_progress: None }
    }

    /// Exports only events that match.
    pub fn filter(mut self, filter: &Filter) -> Self {
        self.filter = filter.clone();
        self
    }

    /// Exports only events after this position (exclusive): goes on with an export that was broken off.
    pub fn after(mut self, position: impl Into<Position>) -> Self {
        self.after = position.into();
        self
    }

    /// Sets how new it must be. [`Consistency::Eventual`] unless said: a replica, if there is one.
    pub fn consistency(mut self, consistency: Consistency) -> Self {
        self.consistency = consistency;
        self
    }

    /// Calls this every thousand events, and at the end.
    pub fn on_progress(mut self, tell: impl FnMut(TransferProgress) + Send + 'static) -> Self {
        self.on_progress = Some(Box::new(tell));
        self
    }

    /// Writes all events up to the head that the log has when the first are read, and flushes.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if the log does not reach the position after which it begins;
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if writing failed; else as for [`Query`](crate::Query). The error
    /// names the position up to which everything was flushed: go on after it.
    ///
    /// # Cancellation
    /// Lines are written in order; the last one may be incomplete.
    pub async fn write_to<W: AsyncWrite + Unpin>(mut self, mut sink: W) -> Result<Exported, Error> {
        let after = match self.after {
            Position::START => Token::START,
            position => self.store.event_at(position).await?.map(|event| event.token()).ok_or_else(|| {
                Error::invalid(format!(
                    "export begins after position {position}, which the log does not reach"
                ))
            })?,
        };
        let mut exported = Exported { events: 0, last_position: after.position() };
        let mut flushed = exported;
        let mut stream = self.store.query(&self.filter).after(after).consistency(self.consistency).stream();
        while let Some(event) = stream.next().await {
            let event = match event {
                Ok(event) => event,
                Err(error) => {
                    // What is in buffers would be lost with them.
                    if sink.flush().await.is_ok() {
                        flushed = exported;
                    }
                    return Err(flushed.broken_off(&error));
                }
            };
            let mut text = line::write(&event)?;
            text.push('\n');
            sink.write_all(text.as_bytes()).await.map_err(|error| flushed.unwritten(&error))?;
            exported.events += 1;
            exported.last_position = event.position;
            if exported.events.is_multiple_of(REPORT_EVERY) {
                sink.flush().await.map_err(|error| flushed.unwritten(&error))?;
                flushed = exported;
                self.tell(exported);
            }
        }
        sink.flush().await.map_err(|error| flushed.unwritten(&error))?;
        self.tell(exported);
        Ok(exported)
    }

    fn tell(&mut self, exported: Exported) {
        if let Some(tell) = &mut self.on_progress {
            tell(TransferProgress { events: exported.events, position: exported.last_position });
        }
    }
}

impl Exported {
    fn broken_off(self, error: &Error) -> Error {
        Error::new(error.kind(), format!("{error}; exported up to position {}", self.last_position))
    }

    fn unwritten(self, error: &std::io::Error) -> Error {
        Error::unavailable(format!("export: {error}; written up to position {}", self.last_position))
    }
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Export")
            .field("filter", &self.filter)
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}
