//! Statements of the migrator.

pub(crate) const BEGIN: &str = include_str!("begin.sql");
pub(crate) const LOCK: &str = include_str!("lock.sql");
pub(crate) const APPEND_LOCK: &str = include_str!("append_lock.sql");
pub(crate) const SCHEMA_STATE: &str = include_str!("schema_state.sql");
pub(crate) const FOREIGN_OWNER: &str = include_str!("foreign_owner.sql");
pub(crate) const AS_OWNER: &str = include_str!("as_owner.sql");
pub(crate) const STRANGERS: &str = include_str!("strangers.sql");
pub(crate) const CREATE_SCHEMA: &str = include_str!("create_schema.sql");
pub(crate) const SEARCH_PATH: &str = include_str!("search_path.sql");
pub(crate) const MIGRATIONS: &str = include_str!("migrations.sql");
pub(crate) const APPLIED: &str = include_str!("applied.sql");
pub(crate) const RECORD: &str = include_str!("record.sql");
pub(crate) const SETTINGS: &str = include_str!("settings.sql");
pub(crate) const PATH: &str = include_str!("path.sql");
