//! A way to serve the requests of the conversation: what users ask of it, and what it answers.

use async_trait::async_trait;

use crate::deliver::hot_stream::counters::Counts;

/// Something that serves requests.
#[async_trait]
pub(super) trait Site: Send + Sync {
    /// Checks that the conversation is there and open, and that a vote is not there yet; writes; and returns the counters that
    /// the user is shown.
    async fn act(&self, act: &Act) -> Result<Answer, Failure>;

    /// How many statements with a COUNT requests have handed to servers themselves. The store's own statements count the rows of
    /// the page that they return, and never those of a conversation.
    fn count_statements(&self) -> u64;
}

/// What a user does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Act {
    pub(super) kind: Kind,
    pub(super) user: i64,
    /// The one that is given, or voted on.
    pub(super) opinion: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Opinion,
    Vote,
}

pub(super) enum Answer {
    Done(Counts),
    /// The user has voted on that opinion before.
    Refused,
}

pub(super) enum Failure {
    /// Nothing came in ten seconds: a connection, or the answer to a statement. A user would say that it hangs.
    TimedOut,
    Failed(String),
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(refusal) if *refusal.code() == tokio_postgres::error::SqlState::QUERY_CANCELED => {
                Self::TimedOut
            }
            Some(refusal) => Self::Failed(refusal.message().to_owned()),
            None => Self::Failed(error.to_string()),
        }
    }
}

impl From<eventstore::Error> for Failure {
    fn from(error: eventstore::Error) -> Self {
        if error.is_timeout() { Self::TimedOut } else { Self::Failed(error.to_string()) }
    }
}
