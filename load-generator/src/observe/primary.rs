//! What the primary is asked each second.

use std::time::{Duration, Instant};

use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row};

use crate::observe::backlog::Backlog;
use crate::observe::diary::{Checkpoints, Reading, Work};
use crate::observe::figures::{Figures, rows};
use crate::observe::link::{ANSWER_WITHIN, Link};
use crate::observe::version::Version;

/// The connection to the primary, and whose tables matter.
pub(super) struct Primary {
    link: Link,
    schema: String,
    /// How many replicas there should be.
    replicas: u64,
    /// Known from the first answer on.
    version: Option<Version>,
    backlog: Backlog,
}

/// Its answer.
pub(super) struct Answer {
    /// Of the replica that is furthest behind; `None` if there is none, if one of them does not stream from here, or if our role may not
    /// see it.
    pub(super) lag: Option<Duration>,
    pub(super) lag_bytes: Option<u64>,
    pub(super) reading: Reading,
}

impl Primary {
    pub(super) fn new(link: Link, schema: &str, replicas: usize) -> Self {
        let (schema, replicas) = (schema.to_owned(), replicas as u64);
        Self { link, schema, replicas, version: None, backlog: Backlog::default() }
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
        let lag_bytes = lag.count("bytes");
        let measured =
            lag.number("seconds").and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok());
        let behind = lag.count("written").zip(lag_bytes);
        let behind = behind.map(|(written, bytes)| self.backlog.behind(Instant::now(), written, bytes));
        // One that does not stream may be behind by anything.
        let are_all_there = lag.count("standbys").is_some_and(|standbys| standbys >= self.replicas);
        Ok(Answer {
            lag: measured.max(behind).filter(|_| are_all_there),
            lag_bytes: lag_bytes.filter(|_| are_all_there),
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
