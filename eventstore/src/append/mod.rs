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
mod receipt;
mod request;
mod session;
mod verdict;
mod writer;
mod writer_task;

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
