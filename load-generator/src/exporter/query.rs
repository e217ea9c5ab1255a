//! A statement, and the metrics that its columns are.

use tokio_postgres::Row;

/// What stands before each name.
const PREFIX: &str = "postgresql_";

/// A statement of the catalogue. A column that is no label has the name of a metric, without what stands before all of them, and is
/// a number or null.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) statement: &'static str,
    /// The columns that tell rows apart.
    pub(super) labels: &'static [&'static str],
    /// Column and help.
    pub(super) metrics: &'static [(&'static str, &'static str)],
    pub(super) asks: Asks,
    /// The first version that has what is asked for.
    pub(super) from: i32,
    /// The first that has it no more.
    pub(super) below: i32,
}

/// What a statement is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// The server, or the database.
    Server,
    /// The schema, which is its parameter.
    Schema,
    /// The log in the schema, which stands in the statement.
    Log,
}

impl Query {
    /// For all versions.
    pub(super) const fn of(
        asks: Asks,
        statement: &'static str,
        labels: &'static [&'static str],
        metrics: &'static [(&'static str, &'static str)],
    ) -> Self {
        Self { statement, labels, metrics, asks, from: 0, below: i32::MAX }
    }

    /// From a version on, as `server_version_num` has it.
    pub(super) const fn from(self, from: i32) -> Self {
        Self { from, ..self }
    }

    /// For versions before this one.
    pub(super) const fn below(self, below: i32) -> Self {
        Self { below, ..self }
    }

    pub(super) fn is_for(&self, version: i32) -> bool {
        (self.from..self.below).contains(&version)
    }

    /// The figures of a row: name, help and value of each, for the values of its labels. What is null, or of another type in a later
    /// version, is left out.
    pub(super) fn figures<'a>(
        &'a self,
        row: &'a Row,
    ) -> impl Iterator<Item = (String, &'static str, f64)> + 'a {
        self.metrics.iter().filter_map(|(column, help)| {
            let value = row.try_get::<_, Option<f64>>(*column).ok()??;
            Some((metric(column), *help, value))
        })
    }

    /// The values of its labels, none if one is missing.
    pub(super) fn values<'a>(&self, row: &'a Row) -> Option<Vec<&'a str>> {
        self.labels.iter().map(|label| row.try_get::<_, Option<&str>>(*label).ok()?).collect()
    }
}

/// The name of a metric.
pub(super) fn metric(column: &str) -> String {
    format!("{PREFIX}{column}")
}
