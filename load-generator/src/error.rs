//! Why something could not be carried out.

use std::fmt;

use crate::engine::EngineError;

/// The reason, as a person reads it.
#[derive(Debug)]
pub(crate) struct RunError(String);

impl RunError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// What was being done when the system refused it.
    pub(crate) fn io(what: impl fmt::Display) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self(format!("{what}: {error}"))
    }

    pub(crate) fn cluster(error: testutil::ClusterError) -> Self {
        Self(error.to_string())
    }

    pub(crate) fn task(error: tokio::task::JoinError) -> Self {
        Self(format!("a task of the load generator died: {error}"))
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<eventstore::Error> for RunError {
    fn from(error: eventstore::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<EngineError> for RunError {
    fn from(error: EngineError) -> Self {
        Self(error.to_string())
    }
}
