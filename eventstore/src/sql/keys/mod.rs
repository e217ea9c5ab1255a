//! Statements about declared paths.

pub(crate) const INDEXED: &str = include_str!("indexed.sql");
pub(crate) const INDEX_PATH: &str = include_str!("index_path.sql");
pub(crate) const DROP_PATH: &str = include_str!("drop_path.sql");
pub(crate) const STEP: &str = include_str!("step.sql");
