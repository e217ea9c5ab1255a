//! What the primary is asked each second.

use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row};

use crate::observe::diary::{Checkpoints, Reading, Work};
use crate::observe::figures::{Figures, rows};
use crate::observe::lag::Standbys;
use crate::observe::link::{ANSWER_WITHIN, Link};
use crate::observe::version::Version;

/// The connection to the primary, and whose tables matter.
pub(super) struct Primary {
    link: Link,
    schema: String,
    /// Known from the first answer on.
    version: Option<Version>,
}

/// Its answer.
pub(super) struct Answer {
    pub(super) standbys: Standbys,
    pub(super) reading: Reading,
}

impl Primary {
    pub(super) fn new(link: Link, schema: &str) -> Self {
        Self { link, schema: schema.to_owned(), version: None }
    }

    pub(super) fn name(&self) -> &str {
        self.link.name()
    }

    /// `None` if it does not answer in time.
    pub(super) async fn look(&mut self) -> Option<Answer> {
        let answer = match timeout(ANSWER_WITHIN, self.ask()).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(error)) => {
                tracing::debug!(%error, "the primary does not answer");
                None
            }
            Err(_) => None,
        };
        if answer.is_none() {
            self.link.lose();
        }
        answer
    }

    async fn ask(&mut self) -> Result<Answer, Error> {
        let session = self.link.open().await?;
        let version = match self.version {
            Some(version) => version,
            None => *self.version.insert(Version::of(session).await?),
        };
        let in_schema: [(&(dyn ToSql + Sync), Type); 1] = [(&self.schema, Type::TEXT)];
        // One after the other on the wire, without waiting in between.
        let (lag, counted, last, work) = tokio::try_join!(
            Figures::of(session, include_str!("sql/lag.sql"), &[]),
            Figures::of(session, version.checkpoints(), &[]),
            Figures::of(session, include_str!("sql/last_checkpoint.sql"), &[]),
            rows(session, include_str!("sql/autovacuum.sql"), &in_schema),
        )?;
        let delay = lag.number("seconds");
        Ok(Answer {
            standbys: Standbys {
                count: lag.count("standbys").unwrap_or_default(),
                written: lag.count("written"),
                missing: lag.count("bytes"),
                delay: delay.and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok()),
            },
            reading: Reading {
                server: last.text("server").unwrap_or_default(),
                checkpoints: checkpoints(&counted, &last),
                work: work.iter().filter_map(|row| one_work(row).ok()).collect(),
            },
        })
    }
}

fn checkpoints(counted: &Figures, last: &Figures) -> Option<Checkpoints> {
    Some(Checkpoints {
        timed: counted.count("timed")?,
        requested: counted.count("requested")?,
        buffers: counted.count("buffers")?,
        last: last.text("lsn")?,
    })
}

fn one_work(row: &Row) -> Result<Work, Error> {
    Ok(Work {
        name: row.try_get("work")?,
        completed: row.try_get("completed")?,
        is_running: row.try_get("is_running")?,
    })
}
