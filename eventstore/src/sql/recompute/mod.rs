//! Statements about recomputed projections.

pub(crate) const QUEUE: &str = include_str!("queue.sql");
pub(crate) const CLAIM: &str = include_str!("claim.sql");
pub(crate) const SETTLE: &str = include_str!("settle.sql");
pub(crate) const FAIL: &str = include_str!("fail.sql");
pub(crate) const BEAT: &str = include_str!("beat.sql");
pub(crate) const REQUEUE: &str = include_str!("requeue.sql");
pub(crate) const REQUEUE_KEY: &str = include_str!("requeue_key.sql");
pub(crate) const DELETE: &str = include_str!("delete.sql");
pub(crate) const KEY: &str = include_str!("key.sql");
pub(crate) const LIST: &str = include_str!("list.sql");
