//! What the server's and the driver's errors mean to a caller; the one place where SQLSTATEs are read.

use std::error::Error as _;
use std::iter;

use tokio_postgres::error::{DbError, Severity};

use crate::error::{Error, ErrorKind};
use crate::pool;

/// The name of the PostgreSQL routine that warns when a wait for a synchronous standby was cancelled: the
/// transaction is committed here, and perhaps nowhere else.
pub(crate) const SYNCHRONOUS_WAIT: &str = "SyncRepWaitForLSN";

/// The role lacks a right.
pub(crate) const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// A lock was not to be had in time.
pub(crate) const LOCK_NOT_AVAILABLE: &str = "55P03";

/// A statement was cancelled: it took longer than the role or the database allows, say.
pub(crate) const QUERY_CANCELED: &str = "57014";

/// Sorts an error of the driver. The text of the server's message is kept; its detail and context, where values
/// may stand, are not.
pub(crate) fn classify(error: &tokio_postgres::Error, server: &str) -> Error {
    match error.as_db_error() {
        Some(db) => {
            let code = db.code().code();
            let message = format!("{server}: {} (SQLSTATE {code}){}", db.message(), hint(code));
            Error::from_server(kind(code), message, code)
        }
        None => {
            if let Some(why) = pool::refusal(error) {
                return Error::invalid(format!("{server}: {why}"));
            }
            let causes = iter::successors(error.source(), |cause: &&dyn std::error::Error| (*cause).source());
            let chain = causes.fold(error.to_string(), |said, cause| format!("{said}: {cause}"));
            Error::unavailable(format!("{server}: {chain}"))
        }
    }
}

fn kind(code: &str) -> ErrorKind {
    match code {
        // A lock or statement that took too long; a standby that was asked to write; a conflict with recovery.
        "55P03" | "57014" | "25006" | "40001" | "40P01" => ErrorKind::Unavailable,
        // Prepared statements that are not there any more, or not as they were: a new connection has them.
        "26000" | "0A000" => ErrorKind::Unavailable,
        // Shutdown, start-up, lost connections, full disks, too many clients, files that can not be read.
        _ if matches!(class(code), "08" | "53" | "57" | "58") => ErrorKind::Unavailable,
        // What a constraint that an operator added to the log refuses. A broken primary key is no such thing.
        "23502" | "23503" | "23514" => ErrorKind::Invalid,
        // What a function or a trigger of an operator's raises: the log's own give their errors other codes.
        "P0001" => ErrorKind::Invalid,
        // Rights, names, passwords, isolation level, values that PostgreSQL does not take.
        _ if matches!(class(code), "22" | "25" | "28" | "3D" | "3F" | "42" | "54") => ErrorKind::Invalid,
        _ => ErrorKind::Internal,
    }
}

fn hint(code: &str) -> &'static str {
    match code {
        "3F000" | "42P01" | "42883" => {
            "; was the schema migrated? EventStore::migrate() creates what is missing"
        }
        INSUFFICIENT_PRIVILEGE => {
            "; the role lacks a right: `eventstore roles grant`, or EventStore::grant, gives it what readers, writers, importers \
             or projectors need of a log"
        }
        // Two sessions of the pool were given the same session of the server's.
        "42P05" | "26000" => {
            "; behind a pooler that lends sessions for a transaction at a time, Settings::prepared_statements has to be false"
        }
        _ => "",
    }
}

fn class(code: &str) -> &str {
    code.get(..2).unwrap_or(code)
}

/// Whether an error tells that the call it answers was rolled back, and not only that the connection is gone.
pub(crate) fn is_rolled_back(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|db| {
        let code = db.code().code();
        // A session that is terminated while it waits for a synchronous standby has committed already. A cancelled
        // statement (57014) of the same class is an ordinary error.
        let terminated = class(code) == "57" && code != QUERY_CANCELED;
        // A pooler answers in the server's place when it has lost it (08P01), and says no severity of its own.
        let lost = class(code) == "08";
        db.parsed_severity() == Some(Severity::Error) && !terminated && !lost
    })
}

/// Whether the server may have refused a value and not the call as such (a bad value, a constraint, a limit, what a
/// trigger raises, two rows where an inline projection expects one): then one bad request spoils a batch.
pub(crate) fn is_bad_value(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|db| matches!(class(db.code().code()), "21" | "22" | "23" | "54" | "P0"))
}

/// Whether a call that was rolled back may succeed when it is sent again: the log's lock was not free in time, an inline projection and
/// a transaction of somebody's waited for each other, or see [`spoils_session`].
pub(crate) fn is_passing(error: &tokio_postgres::Error) -> bool {
    let again = |db: &DbError| matches!(db.code().code(), "55P03" | "40001" | "40P01");
    spoils_session(error) || error.as_db_error().is_some_and(again)
}

/// Whether another connection is needed: to a server that can write (25006), or one that has the prepared statements
/// as they should be (26000: a pooler gave the session to someone else; 0A000: a table or function was made anew).
pub(crate) fn spoils_session(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|db| matches!(db.code().code(), "25006" | "26000" | "0A000"))
}

/// Whether a notice says that a commit was not confirmed by a synchronous standby.
pub(crate) fn is_unconfirmed_commit(notice: &DbError) -> bool {
    notice.routine() == Some(SYNCHRONOUS_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_by_what_to_do_next() {
        for code in ["08006", "53100", "53300", "55P03", "57P01", "57P03", "58030", "25006", "40001", "26000"]
        {
            assert_eq!(kind(code), ErrorKind::Unavailable, "{code}");
        }
        for code in ["22P05", "25000", "28P01", "3D000", "3F000", "23514", "42501", "42P01", "54000", "P0001"]
        {
            assert_eq!(kind(code), ErrorKind::Invalid, "{code}");
        }
        for code in ["23505", "XX000"] {
            assert_eq!(kind(code), ErrorKind::Internal, "{code}");
        }
    }
}
