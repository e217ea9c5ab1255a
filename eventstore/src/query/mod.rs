//! Reading: queries, pages, streams.
//!
//! Everything is read by pages. A page is one statement, so one snapshot: the events in it and the head of the log
//! belong together, and by the position contract the page is complete up to that head. Later pages of the same
//! query end at the head of the first one. Between pages no connection and no snapshot is held.

mod arguments;
mod call;
mod direct;
mod history;
mod if_newer;
mod page;
mod reader;
mod replica;
mod stream;

pub use call::Query;
pub use history::History;
pub use if_newer::IfNewer;
pub(crate) use page::{Page, PageRequest, Source, Times};
pub(crate) use reader::Reader;
pub use stream::EventStream;
