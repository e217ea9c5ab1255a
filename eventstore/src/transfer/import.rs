//! Events into a log.

use std::fmt;
use std::pin::pin;

use futures_util::stream::{Stream, StreamExt as _};
use tokio::io::AsyncBufRead;

use crate::error::Error;
use crate::event::NewEvent;
use crate::position::Position;
use crate::store::EventStore;
use crate::transfer::intake::Intake;
use crate::transfer::lines::Lines;
use crate::transfer::{OnProgress, TransferProgress};

/// An import that is being described; [`read_from`](Self::read_from) or [`read_events`](Self::read_events) carries it
/// out. See [`EventStore::import`].
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
    pub async fn read_from<R: AsyncBufRead + Unpin>(self, source: R) -> Result<Imported, Error> {
        let mut lines = Lines::new(source, self.store.settings());
        let mut intake = Intake::new(self.store, self.on_progress, "line");
        loop {
            match lines.next().await {
                Ok(Some(event)) => intake.add(lines.number(), event).await?,
                Ok(None) => return intake.settle().await,
                Err(error) => {
                    intake.settle().await?;
                    return Err(error);
                }
            }
        }
    }

    /// Appends the events of a stream, in their order: of another store, or of a program of one's own. So that it can be
    /// made again after it was broken off, each event needs an [`id`](NewEvent::id) that is always the same.
    ///
    /// ```no_run
    /// # async fn example(store: eventstore::EventStore) -> Result<(), eventstore::Error> {
    /// use eventstore::NewEvent;
    /// use futures_util::stream;
    /// use serde_json::json;
    /// use uuid::Uuid;
    ///
    /// let old_bookings = (0..1_000_000_u128).map(|number| {
    ///     NewEvent::new("Booked", json!({"Booking": number as u64})).id(Uuid::from_u128(number))
    /// });
    /// let imported = store.import().read_events(stream::iter(old_bookings)).await?;
    /// println!("{} events are new", imported.appended);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As for [`read_from`](Self::read_from); the error names the event by its number, from 1.
    ///
    /// # Cancellation
    /// As for [`read_from`](Self::read_from).
    pub async fn read_events(self, events: impl Stream<Item = NewEvent>) -> Result<Imported, Error> {
        let mut intake = Intake::new(self.store, self.on_progress, "event");
        let mut events = pin!(events);
        let mut number = 0;
        while let Some(event) = events.next().await {
            number += 1;
            intake.add(number, event).await?;
        }
        intake.settle().await
    }
}

impl fmt::Debug for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Import").finish_non_exhaustive()
    }
}
