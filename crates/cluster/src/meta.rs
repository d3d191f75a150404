//! What all objects have: names, labels, versions, and who wrote which field.

use std::{collections::BTreeMap, fmt};

use headroom_policy_engine::{Timestamp, hpa::Selector};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};

/// The labels of an object, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(Box<[(Box<str>, Box<str>)]>);

impl Labels {
    /// The label `key`, if the object has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let found = self.0.binary_search_by(|(name, _)| (**name).cmp(key)).ok()?;
        Some(&self.0[found].1)
    }

    /// Whether `selector` matches them.
    #[must_use]
    pub fn matches(&self, selector: &Selector) -> bool {
        let labels: Vec<(&str, &str)> = self.0.iter().map(|(key, value)| (&**key, &**value)).collect();
        selector.matches(&labels)
    }
}

impl FromIterator<(String, String)> for Labels {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(labels: I) -> Self {
        let sorted: BTreeMap<String, String> = labels.into_iter().collect();
        Self(
            sorted
                .into_iter()
                .map(|(key, value)| (key.into_boxed_str(), value.into_boxed_str()))
                .collect(),
        )
    }
}

/// Who wrote a field, as the object's managed fields tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldOwner {
    /// The name that the writer gave itself, such as `headroom`, `helm` or `kubectl-client-side-apply`.
    pub manager: Box<str>,
    /// When it last wrote, to the second; `None` where the object does not tell.
    pub at: Option<Timestamp>,
    /// Whether it wrote the pods' template in the same way too.
    pub wrote_template: bool,
}

/// An object as it comes over the wire, with no more of it read than is used.
#[derive(Clone, Debug, Deserialize)]
#[serde(
    bound = "S: Deserialize<'de> + Default, T: Deserialize<'de> + Default, M: Deserialize<'de> + Default"
)]
pub(crate) struct Raw<S, T, M> {
    pub(crate) metadata: RawMeta<M>,
    #[serde(default)]
    pub(crate) spec: S,
    #[serde(default)]
    pub(crate) status: T,
}

/// What came over the wire and says what it is.
pub(crate) trait Identified {
    /// Its name in its namespace.
    fn name(&self) -> &str;
    /// The version that was read.
    fn version(&self) -> &str;
}

impl<S, T, M> Identified for Raw<S, T, M> {
    fn name(&self) -> &str {
        &self.metadata.name
    }

    fn version(&self) -> &str {
        &self.metadata.resource_version
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RawMeta<M> {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) uid: String,
    #[serde(default)]
    pub(crate) resource_version: String,
    #[serde(default)]
    pub(crate) generation: Option<u64>,
    #[serde(default)]
    pub(crate) labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(crate) annotations: Annotations,
    #[serde(default)]
    pub(crate) creation_timestamp: Option<Time>,
    #[serde(default)]
    pub(crate) deletion_timestamp: Option<IgnoredAny>,
    #[serde(default)]
    pub(crate) managed_fields: M,
}

/// The annotations that are used, of the many that there may be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Annotations {
    /// Where a pod without a process of its own can be asked for metrics.
    pub(crate) scrape_address: Option<String>,
}

const SCRAPE_ADDRESS: &str = "headroom.dev/scrape-address";

impl<'de> Deserialize<'de> for Annotations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Used;
        impl<'de> Visitor<'de> for Used {
            type Value = Annotations;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("annotations")
            }

            fn visit_unit<E>(self) -> Result<Annotations, E> {
                Ok(Annotations::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Annotations, A::Error> {
                let mut used = Annotations::default();
                while let Some(key) = map.next_key::<String>()? {
                    if key == SCRAPE_ADDRESS {
                        used.scrape_address = Some(map.next_value()?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(used)
            }
        }
        deserializer.deserialize_any(Used)
    }
}

/// A moment as objects have it (RFC 3339).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time(pub(crate) Timestamp);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let moment = jiff::Timestamp::deserialize(deserializer)?;
        Ok(Self(Timestamp::from_unix_millis(moment.as_millisecond())))
    }
}

/// One writer and what it wrote.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RawManagedFields {
    #[serde(default)]
    manager: String,
    #[serde(default)]
    time: Option<Time>,
    #[serde(default)]
    fields_v1: serde_json::Value,
}

impl RawManagedFields {
    fn has<P: fmt::Display>(&self, path: impl IntoIterator<Item = P>) -> bool {
        path.into_iter()
            .try_fold(&self.fields_v1, |fields, part| fields.get(format!("f:{part}")))
            .is_some()
    }
}

/// Who wrote the field at `path` last; `None` where nobody says that it did.
pub(crate) fn owner(fields: &[RawManagedFields], path: &[String]) -> Option<FieldOwner> {
    let writers = fields.iter().filter(|entry| entry.has(path));
    let last = writers.max_by_key(|entry| entry.time.map(|time| time.0))?;
    Some(FieldOwner {
        manager: last.manager.as_str().into(),
        at: last.time.map(|time| time.0),
        wrote_template: last.has(["spec", "template"]),
    })
}
