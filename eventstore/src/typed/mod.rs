//! Events as an enum of the application's own.
//!
//! ```
//! use eventstore::{DomainEvent, Filter, NewEvent, Upcast};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Serialize, Deserialize)]
//! enum Lending {
//!     BookAdded { book: String },
//!     BookLentV2 { book: String, reader: String, days: u32 },
//! }
//!
//! impl DomainEvent for Lending {
//!     // `BookLent` had no `days`: everything was lent for 14.
//!     const UPCASTS: &'static [Upcast] = &[Upcast::new("BookLent", "BookLentV2", |mut payload| {
//!         payload["days"] = 14.into();
//!         payload
//!     })];
//! }
//!
//! let lent = NewEvent::of(&Lending::BookLentV2 { book: "b-1".into(), reader: "r-9".into(), days: 7 });
//! let lending = Filter::of::<Lending>().and_any([("book", "b-1")]); // old types too
//! # let _ = (lent, lending);
//! ```
//!
//! The event type is the variant's name, and the payload what the variant holds: an object for a variant with named
//! fields, nothing (`{}`) for one without. Serde's attributes on variants and fields count; those that change how an
//! enum is tagged do not fit.

mod read;
mod upcast;
mod write;

use std::cell::{Cell, RefCell};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use upcast::Upcast;

use crate::error::Error;
use crate::event::{NewEvent, RecordedEvent};
use crate::filter::Filter;
use crate::query::History;
use crate::typed::read::{EventReader, ReadError, VariantNames};

/// An enum whose variants are event types.
pub trait DomainEvent: Serialize + DeserializeOwned {
    /// How events of older types are read. None unless said.
    const UPCASTS: &'static [Upcast] = &[];
}

/// What to do with events of types that an enum does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownTypes {
    /// Leave them out.
    Skip,
    /// Fail.
    Refuse,
}

impl NewEvent {
    /// An event of a [`DomainEvent`]: its type is the variant, its payload what the variant holds. What can not be
    /// written so is refused when the event is appended.
    #[must_use]
    pub fn of<T: DomainEvent>(event: &T) -> Self {
        match event.serialize(write::EventWriter) {
            Ok((event_type, payload)) => Self::new(event_type, payload),
            Err(error) => Self::unwritable(error.to_string()),
        }
    }
}

impl Filter {
    /// Events of all types that a [`DomainEvent`] has, and of those that it reads by [`Upcast`]s. Refused when the filter
    /// is used if `T` is no enum.
    #[must_use]
    pub fn of<T: DomainEvent>() -> Self {
        let names = RefCell::default();
        // It fails once it has seen the names.
        let _ = T::deserialize(VariantNames(&names));
        let names = names.take();
        let older = T::UPCASTS.iter().map(|upcast| upcast.from);
        Self::event_types(names.iter().copied().chain(older))
    }
}

impl RecordedEvent {
    /// The event as a [`DomainEvent`], after the upcasts that its type needs; `None` if `T` does not know the type.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if the payload does not have the shape of its variant; the error names the
    /// position and the event type, never the payload.
    pub fn typed<T: DomainEvent>(&self) -> Result<Option<T>, Error> {
        let (event_type, payload) = upcast::apply(T::UPCASTS, self.event_type.as_str(), &self.payload);
        let is_unknown = Cell::new(false);
        let reader = EventReader { event_type, payload: &payload, is_unknown: &is_unknown };
        match T::deserialize(reader) {
            Ok(event) => Ok(Some(event)),
            Err(_) if is_unknown.get() => Ok(None),
            Err(ReadError::NoEnum) => Err(Error::invalid(
                "a DomainEvent has to be an enum, tagged as serde does it by default: by the names of its variants",
            )),
            Err(ReadError::Shape) => Err(Error::invalid(format!(
                "payload of {} at position {} has another shape than the variant it is decoded into",
                self.event_type, self.position
            ))),
        }
    }
}

impl History {
    /// All events as a [`DomainEvent`], in their order.
    ///
    /// # Errors
    /// As [`RecordedEvent::typed`]; with [`UnknownTypes::Refuse`] also [`Invalid`](crate::ErrorKind::Invalid) for an event of
    /// a type that `T` does not know.
    pub fn typed<T: DomainEvent>(&self, unknown: UnknownTypes) -> Result<Vec<T>, Error> {
        let mut typed = Vec::with_capacity(self.len());
        for event in self {
            match event.typed::<T>()? {
                Some(event) => typed.push(event),
                None if unknown == UnknownTypes::Skip => {}
                None => {
                    return Err(Error::invalid(format!(
                        "event at position {} has the type {}, which is not one of the enum's",
                        event.position, event.event_type
                    )));
                }
            }
        }
        Ok(typed)
    }
}

/// A type and its payload, as they are stored.
type Stored = (&'static str, Value);
