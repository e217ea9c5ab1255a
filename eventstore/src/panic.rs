//! What a panic says.

use std::any::Any;

/// The text of a panic that was caught.
pub(crate) fn text(panicked: &(dyn Any + Send)) -> &str {
    let text = panicked.downcast_ref::<&str>().copied();
    text.or_else(|| panicked.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a text")
}
