//! TOML as a tree whose every key and value knows its place, in the order of the file.
//!
//! Made from the parser's spanned tables, and read into the raw types through [`Node::read`].

use std::collections::HashMap;

use serde::{
    Deserialize,
    de::{self, IntoDeserializer, value::StrDeserializer},
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    at,
    place::{Place, SourceId},
};

/// A table: its keys in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Table {
    pub(super) entries: Vec<Entry>,
}

/// One key with its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_place: Place,
    pub(super) node: Node,
}

/// A value with its place. That of a table is the place of its key.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Number(f64),
    Bool(bool),
    /// Dates and times of TOML's own, which are read as texts.
    Datetime(String),
    List(Vec<Node>),
    Table(Table),
}

impl Table {
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Where each key stands, for tables that may be long.
    pub(super) fn index(&self) -> HashMap<String, usize> {
        let numbered = self.entries.iter().enumerate();
        numbered.map(|(at, entry)| (entry.key.clone(), at)).collect()
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.key == key)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The table at `key`, if there is one.
    pub(super) fn table(&self, key: &str) -> Option<&Table> {
        self.get(key).and_then(|entry| entry.node.as_table())
    }

    pub(super) fn table_mut(&mut self, key: &str) -> Option<&mut Table> {
        match &mut self.get_mut(key)?.node.value {
            Value::Table(table) => Some(table),
            Value::Text(_)
            | Value::Integer(_)
            | Value::Number(_)
            | Value::Bool(_)
            | Value::Datetime(_)
            | Value::List(_) => None,
        }
    }

    pub(super) fn remove(&mut self, key: &str) {
        self.entries.retain(|entry| entry.key != key);
    }

    /// Takes a table of the parser over, which reads text number `source`.
    pub(super) fn from_toml(table: &DeTable<'_>, source: SourceId) -> Self {
        let entries = table
            .iter()
            .map(|(key, value)| Entry::from_toml(key, value, source));
        Self {
            entries: entries.collect(),
        }
    }
}

impl Entry {
    fn from_toml(
        key: &Spanned<toml::de::DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
        source: SourceId,
    ) -> Self {
        let key_place = Place::new(source, key.span());
        let mut node = Node::from_toml(value, source);
        if node.as_table().is_some() {
            node.place = key_place;
        }
        Self {
            key: key.get_ref().to_string(),
            key_place,
            node,
        }
    }
}

impl Node {
    fn from_toml(value: &Spanned<DeValue<'_>>, source: SourceId) -> Self {
        let taken = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or_else(|_| Value::Number(f64::INFINITY), Value::Integer),
            DeValue::Float(number) => Value::Number(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(flag) => Value::Bool(*flag),
            DeValue::Datetime(moment) => Value::Datetime(moment.to_string()),
            DeValue::Array(items) => {
                Value::List(items.iter().map(|item| Self::from_toml(item, source)).collect())
            }
            DeValue::Table(table) => Value::Table(Table::from_toml(table, source)),
        };
        Self {
            value: taken,
            place: Place::new(source, value.span()),
        }
    }

    pub(super) fn as_table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            Value::Text(_)
            | Value::Integer(_)
            | Value::Number(_)
            | Value::Bool(_)
            | Value::Datetime(_)
            | Value::List(_) => None,
        }
    }

    /// The value as TOML on one line.
    pub(super) fn to_toml(&self) -> String {
        match &self.value {
            Value::Text(text) => quoted(text),
            Value::Integer(number) => number.to_string(),
            Value::Number(number) => toml::Value::Float(*number).to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Datetime(moment) => moment.clone(),
            Value::List(items) => {
                let items: Vec<String> = items.iter().map(Self::to_toml).collect();
                format!("[{}]", items.join(", "))
            }
            Value::Table(table) => {
                let entry =
                    |entry: &Entry| format!("{} = {}", bare_or_quoted(&entry.key), entry.node.to_toml());
                let entries: Vec<String> = table.entries.iter().map(entry).collect();
                format!("{{ {} }}", entries.join(", "))
            }
        }
    }

    /// Reads a raw type. Values of the wrong type were reported and taken out before.
    pub(super) fn read<'de, T: Deserialize<'de>>(&'de self) -> Result<T, ReadError> {
        T::deserialize(self)
    }
}

/// `text` as a TOML string on one line: literal where its quotes allow it, so that PromQL stays readable.
pub(super) fn quoted(text: &str) -> String {
    let literal = text.contains(['"', '\\']) && !text.contains('\'') && !text.contains(char::is_control);
    if literal {
        return format!("'{text}'");
    }
    let mut written = String::from("\"");
    for symbol in text.chars() {
        match symbol {
            '"' => written.push_str("\\\""),
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\t' => written.push_str("\\t"),
            control if control.is_control() => {
                written.push_str(&format!("\\u{:04X}", u32::from(control)));
            }
            plain => written.push(plain),
        }
    }
    written.push('"');
    written
}

/// `key` as a TOML key: bare where that is legal.
pub(super) fn bare_or_quoted(key: &str) -> String {
    let bare = |symbol: char| symbol.is_ascii_alphanumeric() || symbol == '_' || symbol == '-';
    if !key.is_empty() && key.chars().all(bare) {
        key.to_owned()
    } else {
        quoted(key)
    }
}

/// The tree and the raw types disagree, which the walk over the keys has to prevent.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct ReadError(String);

impl de::Error for ReadError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

impl<'de> de::Deserializer<'de> for &'de Node {
    type Error = ReadError;

    fn deserialize_any<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.value {
            Value::Text(text) | Value::Datetime(text) => visitor.visit_borrowed_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Number(number) => visitor.visit_f64(*number),
            Value::Bool(flag) => visitor.visit_bool(*flag),
            Value::List(items) => visitor.visit_seq(de::value::SeqDeserializer::new(items.iter())),
            Value::Table(table) => visitor.visit_map(Entries {
                rest: table.entries.iter(),
                value: None,
            }),
        }
    }

    fn deserialize_option<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: de::Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: de::Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let text: &str = Deserialize::deserialize(self)?;
        StrDeserializer::new(text).deserialize_enum(name, variants, visitor)
    }

    fn deserialize_struct<V: de::Visitor<'de>>(
        self,
        name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        if name == at::NAME {
            visitor.visit_seq(at::Parts::new(self.place, self))
        } else {
            self.deserialize_any(visitor)
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, ReadError> for &'de Node {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// The entries of a table on their way through serde.
struct Entries<'de> {
    rest: std::slice::Iter<'de, Entry>,
    value: Option<&'de Node>,
}

impl<'de> de::MapAccess<'de> for Entries<'de> {
    type Error = ReadError;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        let Some(entry) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some(&entry.node);
        seed.deserialize(Key(entry)).map(Some)
    }

    fn next_value_seed<V: de::DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        match self.value.take() {
            Some(node) => seed.deserialize(node),
            None => Err(de::Error::custom("a value without its key")),
        }
    }
}

/// A key on its way through serde.
#[derive(Clone, Copy)]
struct Key<'de>(&'de Entry);

impl<'de> de::Deserializer<'de> for Key<'de> {
    type Error = ReadError;

    fn deserialize_any<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_borrowed_str(&self.0.key)
    }

    fn deserialize_struct<V: de::Visitor<'de>>(
        self,
        name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        if name == at::NAME {
            visitor.visit_seq(at::Parts::new(self.0.key_place, self))
        } else {
            self.deserialize_any(visitor)
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
