//! Statements about consumer groups.

pub(crate) const JOIN: &str = include_str!("join.sql");
pub(crate) const FEED: &str = include_str!("feed.sql");
pub(crate) const CLAIM_ORDERED: &str = include_str!("claim_ordered.sql");
pub(crate) const CLAIM_UNORDERED: &str = include_str!("claim_unordered.sql");
pub(crate) const SETTLE: &str = include_str!("settle.sql");
pub(crate) const BEAT: &str = include_str!("beat.sql");
pub(crate) const LEAVE: &str = include_str!("leave.sql");
pub(crate) const RESET: &str = include_str!("reset.sql");
pub(crate) const UNPARK: &str = include_str!("unpark.sql");
pub(crate) const LIST: &str = include_str!("list.sql");
pub(crate) const MEMBERS: &str = include_str!("members.sql");
pub(crate) const PARKED: &str = include_str!("parked.sql");
