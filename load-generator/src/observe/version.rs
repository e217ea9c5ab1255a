//! The version of a server, which decides how it is asked.

use testutil::Session;
use tokio_postgres::Error;

/// As `server_version_num` has it: 170004 is 17.4.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Version(i32);

impl Version {
    pub(super) async fn of(session: &Session) -> Result<Self, Error> {
        let statement = "SELECT current_setting('server_version_num')::int";
        session.query_typed_one(statement, &[]).await?.try_get(0).map(Self)
    }

    /// The statement that counts checkpoints: from 17 on they have a view of their own.
    pub(super) fn checkpoints(self) -> &'static str {
        if self.0 >= 170_000 {
            include_str!("sql/checkpoints_17.sql")
        } else {
            include_str!("sql/checkpoints_15.sql")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_counted_where_the_version_has_them() {
        assert!(Version(160_009).checkpoints().contains("FROM pg_stat_bgwriter"));
        assert!(Version(170_000).checkpoints().contains("FROM pg_stat_checkpointer"));
    }
}
