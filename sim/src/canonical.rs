//! The bytes a trace hash is made of: fixed width, little endian, variants by number.
//!
//! Independent of platform, of `Debug` and of `Hash`, so a hash means the same everywhere. Not a storage
//! format: it cannot be read back.

use core::fmt;

use serde::ser::{self, Serialize};

/// Appends the canonical bytes of a value.
pub(crate) fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) {
    // The only error a value could raise is one of its own `Serialize`; the core's types raise none.
    if value.serialize(&mut Bytes { out }).is_err() {
        out.push(0xff);
    }
}

struct Bytes<'a> {
    out: &'a mut Vec<u8>,
}

/// Raised by no type of the core.
#[derive(Debug)]
struct Unencodable;

impl fmt::Display for Unencodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value refused to be encoded")
    }
}

impl std::error::Error for Unencodable {}

impl ser::Error for Unencodable {
    fn custom<T: fmt::Display>(_message: T) -> Self {
        Self
    }
}

macro_rules! fixed_width {
    ($($method:ident: $type:ty,)*) => {$(
        fn $method(self, value: $type) -> Result<(), Unencodable> {
            self.out.extend_from_slice(&value.to_le_bytes());
            Ok(())
        }
    )*};
}

impl ser::Serializer for &mut Bytes<'_> {
    type Ok = ();
    type Error = Unencodable;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    fixed_width! {
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_i128: i128,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
        serialize_u128: u128,
        serialize_f32: f32,
        serialize_f64: f64,
    }

    fn serialize_bool(self, value: bool) -> Result<(), Unencodable> {
        self.serialize_u8(value.into())
    }

    fn serialize_char(self, value: char) -> Result<(), Unencodable> {
        self.serialize_u32(value.into())
    }

    fn serialize_str(self, value: &str) -> Result<(), Unencodable> {
        self.serialize_bytes(value.as_bytes())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Unencodable> {
        self.length(value.len());
        self.out.extend_from_slice(value);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Unencodable> {
        self.serialize_u8(0)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Unencodable> {
        self.out.push(1);
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Unencodable> {
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Unencodable> {
        Ok(())
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
    ) -> Result<(), Unencodable> {
        self.serialize_u32(index)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), Unencodable> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
        value: &T,
    ) -> Result<(), Unencodable> {
        self.out.extend_from_slice(&index.to_le_bytes());
        value.serialize(self)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Self, Unencodable> {
        self.length(length.unwrap_or(usize::MAX));
        Ok(self)
    }

    fn serialize_tuple(self, _length: usize) -> Result<Self, Unencodable> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _name: &'static str, _length: usize) -> Result<Self, Unencodable> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
        _length: usize,
    ) -> Result<Self, Unencodable> {
        self.out.extend_from_slice(&index.to_le_bytes());
        Ok(self)
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Self, Unencodable> {
        self.length(length.unwrap_or(usize::MAX));
        Ok(self)
    }

    fn serialize_struct(self, _name: &'static str, _length: usize) -> Result<Self, Unencodable> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
        _length: usize,
    ) -> Result<Self, Unencodable> {
        self.out.extend_from_slice(&index.to_le_bytes());
        Ok(self)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

impl Bytes<'_> {
    fn length(&mut self, length: usize) {
        self.out.extend_from_slice(&(length as u64).to_le_bytes());
    }
}

macro_rules! elements {
    ($($trait:ident: $method:ident,)*) => {$(
        impl ser::$trait for &mut Bytes<'_> {
            type Ok = ();
            type Error = Unencodable;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unencodable> {
                value.serialize(&mut **self)
            }

            fn end(self) -> Result<(), Unencodable> {
                Ok(())
            }
        }
    )*};
}

elements! {
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field,
}

macro_rules! named_fields {
    ($($trait:ident,)*) => {$(
        impl ser::$trait for &mut Bytes<'_> {
            type Ok = ();
            type Error = Unencodable;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                _key: &'static str,
                value: &T,
            ) -> Result<(), Unencodable> {
                value.serialize(&mut **self)
            }

            fn end(self) -> Result<(), Unencodable> {
                Ok(())
            }
        }
    )*};
}

named_fields! { SerializeStruct, SerializeStructVariant, }

impl ser::SerializeMap for &mut Bytes<'_> {
    type Ok = ();
    type Error = Unencodable;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unencodable> {
        key.serialize(&mut **self)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unencodable> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), Unencodable> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pool_manager_core::{CommandId, EngineRef, ExitStatus, Incarnation, Input, LeaseId, PoolUid};

    fn bytes(input: &Input) -> Vec<u8> {
        let mut out = Vec::new();
        encode(input, &mut out);
        out
    }

    #[test]
    fn every_field_and_the_variant_show_in_the_bytes() {
        let engine = |n| EngineRef { pool: PoolUid(1), incarnation: Incarnation { epoch: 1, n } };
        let exited = |n, status| bytes(&Input::Exited { engine: engine(n), status });
        let all = [
            exited(1, ExitStatus::Code(0)),
            exited(2, ExitStatus::Code(0)),
            exited(1, ExitStatus::Code(1)),
            exited(1, ExitStatus::Signal(0)),
            bytes(&Input::Timer),
            bytes(&Input::LeaseEnd {
                command: CommandId(1),
                lease: LeaseId { engine: engine(1), sequence: 1 },
            }),
        ];
        for (place, one) in all.iter().enumerate() {
            assert!(all.iter().skip(place + 1).all(|other| one != other));
        }
        assert_eq!(exited(1, ExitStatus::Code(-1)), exited(1, ExitStatus::Code(-1)));
    }
}
