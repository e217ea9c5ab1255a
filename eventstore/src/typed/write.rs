//! From an enum to a type and a payload.

use std::fmt;

use serde::ser::{self, Impossible, SerializeStructVariant, SerializeTupleVariant};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, to_value};

use crate::typed::Stored;

/// Why an event can not be written.
#[derive(Debug)]
pub(super) struct WriteError(String);

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WriteError {}

impl ser::Error for WriteError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

impl From<serde_json::Error> for WriteError {
    fn from(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}

fn no_enum<T>() -> Result<T, WriteError> {
    Err(WriteError("a DomainEvent has to be an enum, tagged as serde does it by default".to_owned()))
}

/// Writes an enum, and nothing else.
pub(super) struct EventWriter;

/// Refuses a type that is not an enum.
macro_rules! refuse {
    ($($method:ident($($argument:ty),*) -> $result:ty;)*) => {
        $(fn $method(self, $(_: $argument),*) -> Result<$result, WriteError> { no_enum() })*
    };
}

impl Serializer for EventWriter {
    type Ok = Stored;
    type Error = WriteError;
    type SerializeSeq = Impossible<Stored, WriteError>;
    type SerializeTuple = Impossible<Stored, WriteError>;
    type SerializeTupleStruct = Impossible<Stored, WriteError>;
    type SerializeTupleVariant = Elements;
    type SerializeMap = Impossible<Stored, WriteError>;
    type SerializeStruct = Impossible<Stored, WriteError>;
    type SerializeStructVariant = Fields;

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Stored, WriteError> {
        Ok((variant, Value::Object(Map::new())))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Stored, WriteError> {
        Ok((variant, to_value(value)?))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Elements, WriteError> {
        Ok(Elements { variant, elements: Vec::with_capacity(length) })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Fields, WriteError> {
        Ok(Fields { variant, fields: Map::new() })
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<Stored, WriteError> {
        no_enum()
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: &T,
    ) -> Result<Stored, WriteError> {
        no_enum()
    }

    refuse! {
        serialize_bool(bool) -> Stored;
        serialize_i8(i8) -> Stored;
        serialize_i16(i16) -> Stored;
        serialize_i32(i32) -> Stored;
        serialize_i64(i64) -> Stored;
        serialize_u8(u8) -> Stored;
        serialize_u16(u16) -> Stored;
        serialize_u32(u32) -> Stored;
        serialize_u64(u64) -> Stored;
        serialize_f32(f32) -> Stored;
        serialize_f64(f64) -> Stored;
        serialize_char(char) -> Stored;
        serialize_str(&str) -> Stored;
        serialize_bytes(&[u8]) -> Stored;
        serialize_none() -> Stored;
        serialize_unit() -> Stored;
        serialize_unit_struct(&'static str) -> Stored;
        serialize_seq(Option<usize>) -> Impossible<Stored, WriteError>;
        serialize_tuple(usize) -> Impossible<Stored, WriteError>;
        serialize_tuple_struct(&'static str, usize) -> Impossible<Stored, WriteError>;
        serialize_map(Option<usize>) -> Impossible<Stored, WriteError>;
        serialize_struct(&'static str, usize) -> Impossible<Stored, WriteError>;
    }
}

/// The elements of a variant such as `Moved(1, 2)`.
pub(super) struct Elements {
    variant: &'static str,
    elements: Vec<Value>,
}

impl SerializeTupleVariant for Elements {
    type Ok = Stored;
    type Error = WriteError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        self.elements.push(to_value(value)?);
        Ok(())
    }

    fn end(self) -> Result<Stored, WriteError> {
        Ok((self.variant, Value::Array(self.elements)))
    }
}

/// The fields of a variant such as `Moved { x: 1, y: 2 }`.
pub(super) struct Fields {
    variant: &'static str,
    fields: Map<String, Value>,
}

impl SerializeStructVariant for Fields {
    type Ok = Stored;
    type Error = WriteError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        self.fields.insert(name.to_owned(), to_value(value)?);
        Ok(())
    }

    fn end(self) -> Result<Stored, WriteError> {
        Ok((self.variant, Value::Object(self.fields)))
    }
}
