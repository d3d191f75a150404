//! The codes of the engine's reasons and steps, as a test file names them.
//!
//! Taken from the types themselves, so that a new reason or step can be named as soon as there is one.

use std::fmt;

use headroom_policy_engine::{Reason, Step};
use serde::{
    Deserialize,
    de::{self, Deserializer, Visitor},
};

/// All codes of reasons.
pub(super) fn reasons() -> &'static [&'static str] {
    variants::<Reason>()
}

/// All codes of steps.
pub(super) fn steps() -> &'static [&'static str] {
    variants::<Step>()
}

/// The names by which serde knows the variants of an enum, such as the codes of reasons; none of a type that is none.
#[must_use]
pub fn variants<T: Deserialize<'static>>() -> &'static [&'static str] {
    let mut names: &[&str] = &[];
    // It always fails: all it does is to ask for the names.
    let _ = T::deserialize(Names(&mut names));
    names
}

/// Takes note of the names of the variants that are asked for, and answers nothing.
struct Names<'a>(&'a mut &'static [&'static str]);

/// There is no value.
#[derive(Debug)]
struct NoValue;

impl fmt::Display for NoValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no value")
    }
}

impl std::error::Error for NoValue {}

impl de::Error for NoValue {
    fn custom<T: fmt::Display>(_message: T) -> Self {
        Self
    }
}

impl<'de> Deserializer<'de> for Names<'_> {
    type Error = NoValue;

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, NoValue> {
        *self.0 = variants;
        Err(NoValue)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, NoValue> {
        Err(NoValue)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use headroom_policy_engine::Replicas;

    use super::*;

    #[test]
    fn every_reason_can_be_named_by_its_code() {
        assert!(reasons().len() > 10, "{:?}", reasons());
        for code in reasons() {
            let reason: Reason = serde_json::from_value((*code).into()).unwrap();
            assert_eq!(reason.code(), *code);
        }
    }

    #[test]
    fn steps_are_named_by_their_codes() {
        assert!(steps().len() > 10, "{:?}", steps());
        let step = Step::Combined {
            replicas: Replicas::ZERO,
            by: None,
        };
        assert!(steps().contains(&step.code()));
        assert!(steps().contains(&"kept_for_unknown"));
    }
}
