//! The paths that a log has keys for, and those that a builder wants.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::time::Instant;

use crate::error::Error;
use crate::filter::Path;
use crate::pool::{self, Pool};
use crate::position::Position;
use crate::schema::SchemaName;
use crate::sql::{self, keys};

/// The paths that a log has keys for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexedPaths {
    /// Whether every top-level string, integer and boolean has one.
    pub top_level: bool,
    /// Those that were declared.
    pub declared: Vec<IndexedPath>,
}

/// A declared path.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexedPath {
    /// As filters write it: dots separate, a backslash escapes.
    pub path: String,
    /// Whether filters may use it.
    pub state: IndexState,
    /// Up to where the keys of events are made, or deleted, where that is under way.
    pub done: Position,
    /// Up to where they have to be.
    pub target: Position,
}

/// How far a declared path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IndexState {
    /// Earlier events are still being given their keys.
    Building,
    /// Filters may use it.
    Ready,
    /// It is being dropped.
    Dropping,
}

impl IndexState {
    pub(super) fn stored(name: &str) -> Result<Self, Error> {
        match name {
            "building" => Ok(Self::Building),
            "ready" => Ok(Self::Ready),
            "dropping" => Ok(Self::Dropping),
            other => Err(Error::internal(format!("a declared path has the unknown state {other:?}"))),
        }
    }
}

impl IndexedPaths {
    pub(crate) async fn read(
        pool: &Arc<dyn Pool>,
        schema: &SchemaName,
        deadline: Instant,
    ) -> Result<Self, Error> {
        let rows = pool::read(pool, &sql::for_schema(keys::INDEXED, schema), &[], deadline).await?;
        let mut paths = Self { top_level: rows.first().is_some_and(|row| row.get(0)), declared: Vec::new() };
        for row in rows {
            let Some(path) = row.get::<_, Option<String>>(1) else { continue };
            paths.declared.push(IndexedPath {
                path,
                state: IndexState::stored(row.get(2))?,
                done: Position::from_sql(row.get(3)),
                target: Position::from_sql(row.get(4)),
            });
        }
        Ok(paths)
    }

    fn describe(&self) -> String {
        let declared = self.declared.iter().filter(|path| path.state == IndexState::Ready);
        describe(self.top_level, declared.map(|path| path.path.as_str()))
    }
}

/// The paths that a builder names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WantedPaths {
    pub(crate) top_level: bool,
    pub(crate) paths: BTreeSet<Path>,
}

impl WantedPaths {
    /// Refuses a log in which a filter on one of these paths would be refused. That the log has more is no matter: it
    /// may have been declared since.
    pub(crate) fn check(&self, log: &IndexedPaths, schema: &SchemaName) -> Result<(), Error> {
        let is_ready = |path: &Path| {
            let declared = log.declared.iter().find(|declared| declared.path == path.canonical());
            log.top_level && path.is_top_level()
                || declared.is_some_and(|declared| declared.state == IndexState::Ready)
        };
        if (log.top_level || !self.top_level) && self.paths.iter().all(is_ready) {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "log in schema {schema} indexes {}; the builder asks for {}: EventStore::index_path declares what is missing",
            log.describe(),
            describe(self.top_level, self.paths.iter().map(Path::canonical))
        )))
    }
}

fn describe<'a>(top_level: bool, paths: impl Iterator<Item = &'a str>) -> String {
    let paths: Vec<_> = paths.map(|path| format!("{path:?}")).collect();
    let top_level = if top_level { "all top-level fields and " } else { "" };
    format!("{top_level}[{}]", paths.join(", "))
}
