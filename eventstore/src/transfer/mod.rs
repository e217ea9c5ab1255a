//! Moving events between logs: one event a line, as JSON, in position order.
//!
//! ```json
//! {"position":1,"id":"…","type":"BookLent","occurred_at":"…","recorded_at":"…","payload":{…},"metadata":{…}}
//! ```
//!
//! An import keeps ids, types, payloads, metadata, `occurred_at` and the order. Positions are those that the log gives
//! (the same ones, where an empty log imports a whole export), and `recorded_at` is when it recorded them. Both can be
//! broken off at any time: an export goes on after a position, an import begins again and leaves alone what is there.

mod export;
mod import;
mod intake;
mod line;
mod lines;

pub use export::{Export, Exported};
pub use import::{Import, Imported};
#[cfg(fuzzing)]
pub(crate) use line::parse as parse_line;

use crate::position::Position;

/// How far an export or import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransferProgress {
    /// Events written to the export, or read from it.
    pub events: u64,
    /// Where the last of them stands in the log.
    pub position: Position,
}

type OnProgress = Box<dyn FnMut(TransferProgress) + Send>;
