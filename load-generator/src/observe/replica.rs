//! What each replica is asked each second.

use testutil::Session;
use tokio::time::timeout;
use tokio_postgres::Error;

use crate::observe::link::{ANSWER_WITHIN, Link};

/// The connection to a replica, and what it said last.
pub(super) struct Replica {
    link: Link,
    replayed: Option<u64>,
}

impl Replica {
    pub(super) fn new(link: Link) -> Self {
        Self { link, replayed: None }
    }

    pub(super) fn name(&self) -> &str {
        self.link.name()
    }

    /// Up to where it had replayed the WAL when it last said so; `None` before, and of a server that is no standby.
    pub(super) fn replayed(&self) -> Option<u64> {
        self.replayed
    }

    /// Whether it answers in time.
    pub(super) async fn look(&mut self) -> bool {
        let asking = async { replayed(self.link.open().await?).await };
        match timeout(ANSWER_WITHIN, asking).await {
            Ok(Ok(replayed)) => {
                self.replayed = replayed;
                true
            }
            Ok(Err(_)) | Err(_) => {
                self.link.lose();
                false
            }
        }
    }
}

async fn replayed(session: &Session) -> Result<Option<u64>, Error> {
    let row = session.query_typed_one(include_str!("sql/replayed.sql"), &[]).await?;
    let bytes: Option<i64> = row.try_get("replayed")?;
    Ok(bytes.and_then(|bytes| u64::try_from(bytes).ok()))
}
