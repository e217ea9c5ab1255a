//! The name under which a log's news are sent.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::schema::SchemaName;

/// A channel of `NOTIFY`: one for each schema of a database. Names of channels have 63 bytes, as names of schemas have, so that the
/// schema's own does not fit behind a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Channel(String);

impl Channel {
    pub(crate) fn of(schema: &SchemaName) -> Self {
        let digest = Sha256::digest(schema.as_str());
        let hex: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        Self(format!("eventstore_{hex}"))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// It needs no quotes.
impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Handles of different versions of this library wake each other.
    #[test]
    fn names_stay_as_they_are() {
        let channel = Channel::of(&SchemaName::new("library").unwrap());
        assert_eq!(channel.to_string(), "eventstore_b718f1354f7247312eca086d9a024afe");
    }
}
