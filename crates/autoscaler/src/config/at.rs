//! A value with its place, and tables whose keys the user chooses, in the order of the file.

use std::{borrow::Cow, fmt, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{
    Deserialize,
    de::{self, Deserializer},
};

use super::{place::Place, tree::ReadError};

/// The name by which [`At`] asks the tree for a place.
pub(super) const NAME: &str = "$headroom::At";

/// A value with its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Visitor<T> {
            type Value = At<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value with its place")
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut parts: A) -> Result<At<T>, A::Error> {
                let absent = || de::Error::custom("no place");
                let mut numbers = [0; 3];
                for number in &mut numbers {
                    *number = parts.next_element()?.ok_or_else(absent)?;
                }
                Ok(At {
                    value: parts.next_element()?.ok_or_else(absent)?,
                    place: Place::from_parts(numbers),
                })
            }
        }
        deserializer.deserialize_struct(NAME, &[], Visitor(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// The three numbers of a place and the value, as the sequence that [`At`] reads.
pub(super) struct Parts<D> {
    numbers: std::array::IntoIter<usize, 3>,
    value: Option<D>,
}

impl<D> Parts<D> {
    pub(super) fn new(place: Place, value: D) -> Self {
        Self {
            numbers: place.to_parts().into_iter(),
            value: Some(value),
        }
    }
}

impl<'de, D: Deserializer<'de, Error = ReadError>> de::SeqAccess<'de> for Parts<D> {
    type Error = ReadError;

    fn next_element_seed<T: de::DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ReadError> {
        if let Some(number) = self.numbers.next() {
            let number: de::value::UsizeDeserializer<ReadError> =
                de::IntoDeserializer::into_deserializer(number);
            return seed.deserialize(number).map(Some);
        }
        self.value.take().map(|value| seed.deserialize(value)).transpose()
    }
}

/// A table whose keys the user chooses, in the order of the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Named<T>(pub(super) Vec<(At<String>, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Visitor<T> {
            type Value = Named<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Named<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Named(entries))
            }
        }
        deserializer.deserialize_map(Visitor(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Named_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "object",
            "additionalProperties": generator.subschema_for::<T>(),
        })
    }
}
