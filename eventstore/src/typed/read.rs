//! From a type and a payload to an enum.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{self, DeserializeSeed, EnumAccess, IntoDeserializer as _, VariantAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Value;

/// Why an event can not be read. Without serde's messages, which may quote values.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReadError {
    NoEnum,
    Shape,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEnum => "not an enum",
            Self::Shape => "another shape",
        })
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Shape
    }
}

impl From<serde_json::Error> for ReadError {
    fn from(_: serde_json::Error) -> Self {
        Self::Shape
    }
}

/// The rest of a deserializer of enums alone.
macro_rules! refuse_all_but_enums {
    () => {
        fn deserialize_any<X: Visitor<'de>>(self, _: X) -> Result<X::Value, ReadError> {
            Err(ReadError::NoEnum)
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map struct identifier ignored_any
        }
    };
}

/// Reads one event.
pub(super) struct EventReader<'a> {
    pub(super) event_type: &'a str,
    pub(super) payload: &'a Value,
    /// Set if the enum has no variant of that name.
    pub(super) is_unknown: &'a Cell<bool>,
}

impl<'de> de::Deserializer<'de> for EventReader<'_> {
    type Error = ReadError;

    fn deserialize_enum<X: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: X,
    ) -> Result<X::Value, ReadError> {
        visitor.visit_enum(self)
    }

    refuse_all_but_enums!();
}

impl<'de> EnumAccess<'de> for EventReader<'_> {
    type Error = ReadError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), ReadError> {
        let variant = seed.deserialize(self.event_type.into_deserializer());
        let variant = variant.inspect_err(|_: &ReadError| self.is_unknown.set(true))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for EventReader<'_> {
    type Error = ReadError;

    fn unit_variant(self) -> Result<(), ReadError> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, ReadError> {
        Ok(seed.deserialize(self.payload.clone())?)
    }

    fn tuple_variant<X: Visitor<'de>>(self, length: usize, visitor: X) -> Result<X::Value, ReadError> {
        Ok(de::Deserializer::deserialize_tuple(self.payload.clone(), length, visitor)?)
    }

    fn struct_variant<X: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: X,
    ) -> Result<X::Value, ReadError> {
        Ok(de::Deserializer::deserialize_struct(self.payload.clone(), "", fields, visitor)?)
    }
}

/// Notes the names of an enum's variants, and fails.
pub(super) struct VariantNames<'a>(pub(super) &'a RefCell<Vec<&'static str>>);

impl<'de> de::Deserializer<'de> for VariantNames<'_> {
    type Error = ReadError;

    fn deserialize_enum<X: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: X,
    ) -> Result<X::Value, ReadError> {
        self.0.borrow_mut().extend(variants);
        Err(ReadError::Shape)
    }

    refuse_all_but_enums!();
}
