//! A query that is answered only if there is something new.

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use crate::error::Error;
use crate::query::{History, Query};
use crate::token::Token;

/// A query on a condition: that something matches which is newer than a token. See [`Query::if_newer_than`].
///
/// # Errors, cancellation
/// As for [`Query`].
#[derive(Debug, Clone)]
#[must_use = "a query does nothing until it is awaited"]
pub struct IfNewer {
    query: Query,
    token: Token,
}

impl Query {
    /// Reads only if an event matches that stands after this token: the one of the [`History`] that the caller has, whose position is
    /// its ETag. `None` says that what it has is all there is; it costs one look under each of the filter's keys.
    ///
    /// ```no_run
    /// # use eventstore::{Consistency, Error, EventStore, Filter};
    /// /// What a browser gets that brings the ETag of what it has.
    /// async fn loans(store: &EventStore, filter: &Filter, etag: &str) -> Result<Option<(usize, String)>, Error> {
    ///     let has = store.parse_token(etag).await?;
    ///     match store.query(filter).consistency(Consistency::Eventual).if_newer_than(has).await? {
    ///         Some(history) => Ok(Some((history.len(), store.token_text(history.token()).await?))),
    ///         None => Ok(None), // 304
    ///     }
    /// }
    /// ```
    pub fn if_newer_than(self, token: Token) -> IfNewer {
        IfNewer { query: self, token }
    }
}

impl IfNewer {
    async fn carry_out(self) -> Result<Option<History>, Error> {
        let newer = self.query.clone().first_after(self.token).await?;
        if newer.is_empty() {
            return Ok(None);
        }
        // Another server may answer now, and must have what was found.
        self.query.having(newer.token()).await.map(Some)
    }
}

impl IntoFuture for IfNewer {
    type Output = Result<Option<History>, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.carry_out())
    }
}
