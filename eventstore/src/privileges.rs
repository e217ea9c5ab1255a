//! Who may do what on a log.
//!
//! PostgreSQL's own roles and grants: a privilege is a list of tables to read and functions to call, which the log knows by name
//! (`migrations/0010`), and nothing else says who holds it. Nobody but the owner writes the tables themselves: whoever appends calls a
//! function that does, with the owner's rights and in its own words.

use std::fmt;
use std::str::FromStr;

use tokio_postgres::types::Type;

use crate::error::Error;
use crate::migration;
use crate::pool::{self, Param};
use crate::sql::{self, privileges};
use crate::store::EventStore;

/// What a role may do on a log. Each of them may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Privilege {
    /// To query and stream events, load snapshots, and look at what follows the log.
    Reader,
    /// To append, decide, and keep snapshots.
    Writer,
    /// To import events, with the ids that they have.
    Importer,
    /// To follow the log: subscriptions with a checkpoint, consumer groups, projections, recomputed projections, process managers; to reset
    /// and delete them too. Projections are schemas of their own, for which the role also needs `CREATE` on the database, and what it
    /// appends needs [`Writer`](Self::Writer).
    Projector,
}

impl Privilege {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Reader, Self::Writer, Self::Importer, Self::Projector];

    /// Its name, as [`from_str`](Self::from_str) takes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Importer => "importer",
            Self::Projector => "projector",
        }
    }
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Privilege {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|privilege| privilege.as_str() == name);
        found.ok_or_else(|| {
            Error::invalid(format!("expected reader, writer, importer or projector, found {name:?}"))
        })
    }
}

/// A role that holds a privilege on a log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PrivilegeHolder {
    /// The role, by its name.
    pub role: String,
    /// What it may do.
    pub privilege: Privilege,
    /// Whether it may create schemas in the log's database, which projections need. No privilege on a log includes that.
    pub may_create_schemas: bool,
}

impl EventStore {
    /// Grants a role of the server a privilege on this log. What it holds already it keeps; granted again, it has what was missing. Later
    /// migrations keep it whole. Needs the rights of the log's owner.
    ///
    /// ```no_run
    /// # use eventstore::{Error, EventStore, Privilege};
    /// async fn set_up(owner: &EventStore) -> Result<(), Error> {
    ///     owner.migrate().await?;
    ///     owner.grant(Privilege::Writer, "library_app").await?;
    ///     owner.grant(Privilege::Reader, "reports").await
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if there is no such role, if it is the log's owner (who may do everything) or PUBLIC, if the
    /// caller has not the owner's rights, if the log is of a role that the caller has no reason to trust (see `docs/security.md`), if others may put objects into the log's schema, or if the log has yet to be migrated; [`Unavailable`](crate::ErrorKind::Unavailable),
    /// [`Closed`](crate::ErrorKind::Closed).
    ///
    /// # Cancellation
    /// It is granted whole or not at all, and harmless to repeat.
    pub async fn grant(&self, privilege: Privilege, role: &str) -> Result<(), Error> {
        self.change_privilege(privileges::GRANT, privilege, role).await
    }

    /// Takes a privilege on this log from a role, from its next statement on, also where it was granted by hand, with what the role has granted
    /// on of it. What other privileges of its own include it keeps, and what it has as a member of another role; where it does not hold this
    /// privilege, only what no other privilege includes is taken. Needs the rights of the log's owner.
    ///
    /// # Errors
    /// As [`grant`](Self::grant).
    ///
    /// # Cancellation
    /// It is taken whole or not at all, and harmless to repeat.
    pub async fn revoke(&self, privilege: Privilege, role: &str) -> Result<(), Error> {
        self.change_privilege(privileges::REVOKE, privilege, role).await
    }

    /// Which roles hold which privileges on this log, sorted by their names: what was granted with [`grant`](Self::grant), to themselves. The
    /// owner, superusers, members of other roles, and what was granted by hand are not listed. Needs the rights of the log's owner.
    ///
    /// # Errors
    /// As [`head`](Self::head), and [`Invalid`](crate::ErrorKind::Invalid) if the caller has not the owner's rights.
    pub async fn privileges(&self) -> Result<Vec<PrivilegeHolder>, Error> {
        self.check_open()?;
        let inner = self.inner();
        self.refuse_foreign().await?;
        let sql = sql::for_schema(privileges::LIST, &inner.schema);
        let rows = pool::read(inner.servers.primary(), &sql, &[], self.read_deadline()).await?;
        let holder = |row: &tokio_postgres::Row| {
            Ok(PrivilegeHolder {
                role: row.get(1),
                privilege: row.get::<_, &str>(0).parse()?,
                may_create_schemas: row.get(2),
            })
        };
        rows.iter().map(holder).collect()
    }

    /// What grants is a function of the log's.
    async fn refuse_foreign(&self) -> Result<(), Error> {
        let inner = self.inner();
        migration::refuse_foreign(inner.servers.primary(), &inner.schema, self.read_deadline()).await
    }

    async fn change_privilege(&self, statement: &str, privilege: Privilege, role: &str) -> Result<(), Error> {
        self.check_open()?;
        let inner = self.inner();
        let name = privilege.as_str();
        let params: [Param<'_>; 2] = [(&name, Type::TEXT), (&role, Type::TEXT)];
        self.refuse_foreign().await?;
        let sql = sql::for_schema(statement, &inner.schema);
        pool::read(inner.servers.primary(), &sql, &params, self.read_deadline()).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn privileges_have_names() {
        for privilege in Privilege::ALL {
            assert_eq!(privilege.to_string().parse::<Privilege>().unwrap(), privilege);
        }
        let error = "owner".parse::<Privilege>().unwrap_err();
        assert!(error.to_string().contains("\"owner\""), "{error}");
    }
}
