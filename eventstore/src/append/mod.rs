//! Appending: the call, the batch, and the task that sends it.
//!
//! ```text
//!  Append (call)  ──check──▶ Request ──bounded inbox──▶ Writer (one task) ──Batch──▶ append_v1
//!       ▲    ▲                                                │
//!       │    └──────── far: settled by a read, and again ◀────┤
//!       └───────────────── verdict, by oneshot ◀──────────────┘
//!
//!  Import ──chunks, two under way──▶ Bulk (a task a call) ──────────────────────────────▶ import_v1 ──▶ append_v1
//! ```

mod arguments;
mod batch;
mod bulk;
mod call;
mod condition;
mod depth;
mod receipt;
mod request;
mod session;
mod verdict;
mod writer;
mod writer_task;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::pool::Pool;

#[cfg(feature = "benches")]
pub(crate) use batch::Batch;
pub(crate) use bulk::{Bulk, Delivery, Placed, Shipment};
pub use call::Append;
#[cfg(feature = "benches")]
pub(crate) use condition::Condition;
pub use receipt::Receipt;
#[cfg(feature = "benches")]
pub(crate) use request::{Request, Ticket};
pub(crate) use writer::Writer;

/// Where appends are sent.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) pool: Arc<dyn Pool>,
    /// Commits that no synchronous standby has confirmed, as the server's notices tell.
    pub(crate) unconfirmed_commits: Arc<AtomicU64>,
}
