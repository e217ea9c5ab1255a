//! Statements about snapshots.

pub(crate) const LOAD: &str = include_str!("load.sql");
pub(crate) const SAVE: &str = include_str!("save.sql");
pub(crate) const DELETE: &str = include_str!("delete.sql");
