//! What kind of event something is.

use std::fmt;
use std::sync::Arc;

use crate::error::Error;

/// The longest event type, in bytes of UTF-8.
const MAX_BYTES: usize = 255;

/// The type of an event, such as `BookCopyLentToReader`: 1 to 255 bytes of UTF-8 without NUL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventType(Arc<str>);

impl EventType {
    /// Checks a name and makes it an event type.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if it is empty, over 255 bytes, or has a NUL in it.
    pub fn new(name: impl Into<Arc<str>>) -> Result<Self, Error> {
        let name = name.into();
        if name.is_empty() {
            return Err(Error::invalid("event type is empty; expected 1 to 255 bytes"));
        }
        if name.len() > MAX_BYTES {
            return Err(Error::invalid(format!(
                "event type has {} bytes; expected at most {MAX_BYTES}",
                name.len()
            )));
        }
        if name.contains('\0') {
            return Err(Error::invalid("event type has a NUL in it, which PostgreSQL can not store"));
        }
        Ok(Self(name))
    }

    /// From the database, where only checked types are.
    pub(crate) fn stored(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for EventType {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for EventType {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl PartialEq<&str> for EventType {
    fn eq(&self, other: &&str) -> bool {
        &*self.0 == *other
    }
}
