//! Statements about process managers.

pub(crate) const CLAIM: &str = include_str!("claim.sql");
pub(crate) const SETTLE: &str = include_str!("settle.sql");
pub(crate) const BEAT: &str = include_str!("beat.sql");
pub(crate) const REACT: &str = include_str!("react.sql");
pub(crate) const LIST: &str = include_str!("list.sql");
pub(crate) const PARKED: &str = include_str!("parked.sql");
pub(crate) const UNPARK: &str = include_str!("unpark.sql");
