//! Statements about who may do what on a log.

pub(crate) const GRANT: &str = include_str!("grant.sql");
pub(crate) const REVOKE: &str = include_str!("revoke.sql");
pub(crate) const LIST: &str = include_str!("list.sql");
