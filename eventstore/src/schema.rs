//! The name of a log.

use std::fmt;

use crate::error::Error;

/// PostgreSQL cuts longer identifiers off silently.
const MAX_BYTES: usize = 63;

/// A PostgreSQL schema, which holds one log. Shown quoted, as it stands in statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SchemaName(String);

impl SchemaName {
    pub(crate) fn new(name: &str) -> Result<Self, Error> {
        if name.is_empty() || name.len() > MAX_BYTES {
            return Err(Error::invalid(format!(
                "schema name has {} bytes; expected 1 to {MAX_BYTES}",
                name.len()
            )));
        }
        if name.contains('\0') {
            return Err(Error::invalid("schema name has a NUL in it"));
        }
        if name.starts_with("pg_") {
            return Err(Error::invalid(format!(
                "schema name {name:?} begins with pg_, which PostgreSQL keeps for itself"
            )));
        }
        Ok(Self(name.to_owned()))
    }

    /// As it stands in the catalogue.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SchemaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('"', "\"\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_not_refused() {
        assert_eq!(SchemaName::new("Lib\"; DROP TABLE x").unwrap().to_string(), "\"Lib\"\"; DROP TABLE x\"");
        assert!(SchemaName::new(&"é".repeat(32)).is_err(), "64 bytes");
        assert!(SchemaName::new(&"x".repeat(63)).is_ok());
        assert!(SchemaName::new("").is_err());
    }
}
