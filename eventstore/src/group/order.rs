//! Between which events of a group order is kept.

use std::fmt;

use crate::error::Error;
use crate::filter::Path;

/// As a group is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Order {
    #[default]
    None,
    /// Of the value at this path.
    By(String),
    All,
}

/// As it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CheckedOrder {
    pub(super) text: String,
    /// The JSON path of the values, if it is by a path.
    pub(super) extract: Option<String>,
}

impl Order {
    pub(super) fn check(&self) -> Result<CheckedOrder, Error> {
        Ok(match self {
            Self::None => CheckedOrder { text: "none".to_owned(), extract: None },
            Self::All => CheckedOrder { text: "all".to_owned(), extract: None },
            Self::By(path) => {
                let path = Path::parse(path)?;
                CheckedOrder { text: format!("by {}", path.canonical()), extract: Some(path.to_extract()) }
            }
        })
    }
}

impl fmt::Display for CheckedOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
