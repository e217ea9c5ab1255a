//! The lines of an export, as events.

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

use crate::error::Error;
use crate::event::NewEvent;
use crate::settings::Settings;
use crate::transfer::line;

/// How long a line may be: payload and metadata, in which every byte may be written as six, and the rest.
const LINE_PER_PAYLOAD: u64 = 12;
const LINE_AT_LEAST: u64 = 64 << 10;

/// Reads one event a line. Empty lines are passed over.
pub(super) struct Lines<R> {
    source: R,
    text: String,
    longest: u64,
    number: u64,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    pub(super) fn new(source: R, settings: &Settings) -> Self {
        let longest = (settings.max_payload_bytes as u64)
            .saturating_mul(LINE_PER_PAYLOAD)
            .saturating_add(LINE_AT_LEAST);
        Self { source, text: String::new(), longest, number: 0 }
    }

    /// The next event; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<NewEvent>, Error> {
        loop {
            self.number += 1;
            let Self { source, text, longest, number } = self;
            text.clear();
            match source.take(*longest).read_line(text).await {
                Ok(0) => return Ok(None),
                Ok(bytes) if bytes as u64 == *longest && !text.ends_with('\n') => {
                    return Err(Error::invalid(format!(
                        "import: line {number} is longer than {longest} bytes"
                    )));
                }
                Ok(_) if text.trim().is_empty() => {}
                Ok(_) => return line::parse(text).map(Some).map_err(|error| self.at(&error)),
                Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                    return Err(Error::invalid(format!("import: line {number} is not UTF-8")));
                }
                Err(error) => {
                    return Err(Error::unavailable(format!("import: reading line {number}: {error}")));
                }
            }
        }
    }

    /// The number of the line that was read last, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    fn at(&self, error: &Error) -> Error {
        Error::new(error.kind(), format!("import: line {}: {error}", self.number))
    }
}
