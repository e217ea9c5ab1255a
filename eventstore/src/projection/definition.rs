//! What an application says of a projection.

use tokio_postgres::Transaction;

use crate::error::Error;
use crate::event::RecordedEvent;
use crate::filter::Filter;
use crate::schema::SchemaName;

/// Why events could not be applied.
pub type ApplyError = Box<dyn std::error::Error + Send + Sync>;

/// The longest name of a schema that PostgreSQL does not cut.
const MAX_SCHEMA_BYTES: usize = 63;

/// A view of events, kept in tables of the log's database. Run it with [`EventStore::projection`](crate::EventStore::projection).
///
/// Name tables without a schema: that of the generation at work is first in the search path. Leave the transaction open, and its
/// isolation and search path as they are.
///
/// ```no_run
/// use eventstore::{ApplyError, Filter, Projection, RecordedEvent};
/// use tokio_postgres::Transaction;
///
/// struct Loans;
///
/// impl Projection for Loans {
///     fn name(&self) -> &str {
///         "loans"
///     }
///
///     fn filter(&self) -> Filter {
///         Filter::event_types(["BookCopyLentToReader"])
///     }
///
///     async fn create(&self, transaction: &Transaction<'_>) -> Result<(), ApplyError> {
///         Ok(transaction.batch_execute("CREATE TABLE loans (reader text PRIMARY KEY, books bigint NOT NULL)").await?)
///     }
///
///     async fn apply(&self, transaction: &Transaction<'_>, events: &[&RecordedEvent]) -> Result<(), ApplyError> {
///         let readers: Vec<_> = events.iter().filter_map(|event| event.payload["ReaderID"].as_str()).collect();
///         let count = "INSERT INTO loans SELECT reader, count(*) FROM unnest($1::text[]) AS reader GROUP BY reader
///                      ON CONFLICT (reader) DO UPDATE SET books = loans.books + excluded.books";
///         transaction.execute(count, &[&readers]).await?;
///         Ok(())
///     }
/// }
/// ```
pub trait Projection: Send + Sync + 'static {
    /// Its name: with the log's it makes that of the schema its tables are in.
    fn name(&self) -> &str;

    /// Raise it when tables, filter or `apply` change: a later version is built beside the live one and takes its place.
    fn version(&self) -> u32 {
        1
    }

    /// The events that it sees; the same for all of one version.
    fn filter(&self) -> Filter;

    /// Makes the tables, in a schema that is new and empty.
    fn create(&self, transaction: &Transaction<'_>) -> impl Future<Output = Result<(), ApplyError>> + Send;

    /// Has the tables know of events: at least one, in the order of the log, all of them after those of earlier calls. What it does
    /// elsewhere than in this transaction may be done more than once.
    fn apply(
        &self,
        transaction: &Transaction<'_>,
        events: &[&RecordedEvent],
    ) -> impl Future<Output = Result<(), ApplyError>> + Send;
}

/// The schemas of a projection's tables.
#[derive(Debug, Clone)]
pub(super) struct Views {
    live: String,
}

impl Views {
    pub(super) fn new(log: &SchemaName, projection: &str) -> Result<Self, Error> {
        let views = Self { live: format!("{}_{projection}", log.as_str()) };
        let longest = views.of_generation(i32::MAX).len();
        let is_plain = projection.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        // As generations are called.
        let digits = projection.trim_end_matches(|digit: char| digit.is_ascii_digit());
        let is_numbered = digits.len() < projection.len() && digits.ends_with("_g");
        if projection.is_empty() || !is_plain || is_numbered || longest > MAX_SCHEMA_BYTES {
            let most = MAX_SCHEMA_BYTES.saturating_sub(longest - projection.len());
            return Err(Error::invalid(format!(
                "projection name {projection:?}; expected 1 to {most} of a to z, 0 to 9 and _, without _g and a number at the end: it is \
                 part of the name of a schema"
            )));
        }
        Ok(views)
    }

    /// What the schemas of a projection are known by: a schema of this name that somebody else has made is left alone.
    pub(super) fn mark(&self) -> String {
        format!("eventstore: tables of the projection {}", self.live)
    }

    pub(super) fn live(&self) -> &str {
        &self.live
    }

    /// Where a generation is built.
    pub(super) fn of_generation(&self, generation: i32) -> String {
        format!("{}_g{generation}", self.live)
    }
}

/// A name in a statement.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
