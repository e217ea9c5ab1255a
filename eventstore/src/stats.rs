//! How large a log is, and what is in it.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use crate::error::Error;
use crate::pool;
use crate::sql;
use crate::store::EventStore;

/// Figures of a log. All are cheap: none reads the whole log.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LogStats {
    /// How many events it has.
    pub events: u64,
    /// What the events take on disk, with their indexes, in bytes.
    pub event_bytes: u64,
    /// What the keys take on disk, with their index, in bytes.
    pub key_bytes: u64,
    /// When the first event was recorded, in UTC.
    pub first_recorded_at: Option<OffsetDateTime>,
    /// When the last event was recorded, in UTC.
    pub last_recorded_at: Option<OffsetDateTime>,
    /// How many snapshots are kept.
    pub snapshots: u64,
    /// The most frequent event types, with their share of all events, by the last ANALYZE; empty before the first.
    pub event_types: BTreeMap<String, f64>,
}

impl EventStore {
    /// How large the log is, and what is in it, as the primary has it now.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub async fn stats(&self) -> Result<LogStats, Error> {
        self.check_open()?;
        let inner = self.inner();
        let sql = sql::for_schema(sql::STATS, &inner.schema);
        let schema = inner.schema.as_str();
        let params = [(&schema as _, tokio_postgres::types::Type::TEXT)];
        let rows = pool::read(inner.servers.primary(), &sql, &params, self.read_deadline()).await?;
        let row = rows.first().ok_or_else(|| Error::internal("the figures of a log came without a row"))?;
        let number = |column: usize| row.get::<_, i64>(column).unsigned_abs();
        let types = row.get::<_, Option<Vec<String>>>(6).unwrap_or_default();
        let shares = row.get::<_, Option<Vec<f32>>>(7).unwrap_or_default();
        Ok(LogStats {
            events: number(0),
            event_bytes: number(1),
            key_bytes: number(2),
            first_recorded_at: row.get(3),
            last_recorded_at: row.get(4),
            snapshots: number(5),
            event_types: types.into_iter().zip(shares.into_iter().map(f64::from)).collect(),
        })
    }
}
