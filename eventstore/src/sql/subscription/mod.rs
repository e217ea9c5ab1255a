//! Statements about subscriptions, and what wakes them.

pub(crate) const HOLD: &str = include_str!("hold.sql");
pub(crate) const COMMIT: &str = include_str!("commit.sql");
pub(crate) const BEAT: &str = include_str!("beat.sql");
pub(crate) const RELEASE: &str = include_str!("release.sql");
pub(crate) const RESET: &str = include_str!("reset.sql");
pub(crate) const LIST: &str = include_str!("list.sql");
