//! Statements about projections.

pub(crate) const JOIN: &str = include_str!("join.sql");
pub(crate) const MAKE: &str = include_str!("make.sql");
pub(crate) const RESUME: &str = include_str!("resume.sql");
pub(crate) const FAIL: &str = include_str!("fail.sql");
pub(crate) const SWAP: &str = include_str!("swap.sql");
pub(crate) const PAUSE: &str = include_str!("pause.sql");
pub(crate) const REBUILD: &str = include_str!("rebuild.sql");
pub(crate) const DELETE: &str = include_str!("delete.sql");
pub(crate) const BEGIN_APPLY: &str = include_str!("begin_apply.sql");
pub(crate) const PATH: &str = include_str!("path.sql");
pub(crate) const IS_OWN: &str = include_str!("is_own.sql");
pub(crate) const ORPHANS: &str = include_str!("orphans.sql");
pub(crate) const LIST: &str = include_str!("list.sql");
pub(crate) const REGISTER_INLINE: &str = include_str!("register_inline.sql");
pub(crate) const UNREGISTER_INLINE: &str = include_str!("unregister_inline.sql");
pub(crate) const LIST_INLINE: &str = include_str!("list_inline.sql");
