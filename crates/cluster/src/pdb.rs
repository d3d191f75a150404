//! What is kept of a PodDisruptionBudget: which pods it is for, and how many of them may be evicted.

use std::fmt;

use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use crate::{meta::Raw, scalable::selector, view::Kept};

/// A PodDisruptionBudget. It is asked before a pod is evicted, as a drain of a node does; never before a count falls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pdb {
    /// Its name.
    pub name: Box<str>,
    /// The selector of the pods that it is for, in text: an empty one matches every pod of the namespace. `None`: it is for
    /// none.
    pub selector: Option<Box<str>>,
    /// What has to stay of them.
    pub budget: Budget,
}

/// What has to stay of the pods that a PodDisruptionBudget is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// At least so many are available.
    MinAvailable(Share),
    /// At most so many are not.
    MaxUnavailable(Share),
    /// It says neither, and then none may be evicted.
    Unsaid,
}

/// A number of pods, or a part of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawShare")]
pub enum Share {
    /// So many.
    Pods(u32),
    /// So many of a hundred; a part of a pod counts as a whole one.
    Percent(u32),
}

impl Budget {
    /// How many of `pods` pods may be evicted while all of them are healthy, as Kubernetes' disruption controller computes
    /// it.
    #[must_use]
    pub fn room(self, pods: u32) -> u32 {
        match self {
            Self::MinAvailable(least) => pods.saturating_sub(least.of(pods)),
            Self::MaxUnavailable(most) => most.of(pods).min(pods),
            Self::Unsaid => 0,
        }
    }
}

impl Share {
    fn of(self, pods: u32) -> u32 {
        match self {
            Self::Pods(pods) => pods,
            Self::Percent(percent) => {
                let rounded_up = (u64::from(pods) * u64::from(percent)).div_ceil(100);
                u32::try_from(rounded_up).unwrap_or(u32::MAX)
            }
        }
    }
}

/// As its manifest has it: `minAvailable: 50%`.
impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MinAvailable(share) => write!(f, "minAvailable: {share}"),
            Self::MaxUnavailable(share) => write!(f, "maxUnavailable: {share}"),
            Self::Unsaid => f.write_str("neither minAvailable nor maxUnavailable"),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pods(pods) => pods.fmt(f),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawShare {
    Pods(u32),
    Text(String),
}

impl TryFrom<RawShare> for Share {
    type Error = String;

    fn try_from(raw: RawShare) -> Result<Self, String> {
        match raw {
            RawShare::Pods(pods) => Ok(Self::Pods(pods)),
            RawShare::Text(text) => text
                .strip_suffix('%')
                .and_then(|percent| percent.parse().ok())
                .map(Self::Percent)
                .ok_or_else(|| format!("`{text}` is no percentage")),
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct RawSpec {
    selector: Value,
    min_available: Option<Share>,
    max_unavailable: Option<Share>,
}

impl Kept for Pdb {
    type Raw = Raw<RawSpec, Option<IgnoredAny>, IgnoredAny>;
    type How = ();

    fn keep(raw: Self::Raw, (): &()) -> Self {
        let spec = raw.spec;
        Self {
            name: raw.metadata.name.into(),
            selector: selector(&spec.selector).map(String::into_boxed_str),
            budget: match (spec.max_unavailable, spec.min_available) {
                (Some(most), _) => Budget::MaxUnavailable(most),
                (None, Some(least)) => Budget::MinAvailable(least),
                (None, None) => Budget::Unsaid,
            },
        }
    }

    fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pdb(spec: &Value) -> Result<Pdb, serde_json::Error> {
        let raw =
            json!({ "metadata": { "name": "api" }, "spec": spec, "status": { "disruptionsAllowed": 1 } });
        Ok(Pdb::keep(serde_json::from_value(raw)?, &()))
    }

    /// What may be evicted of one pod, of two, three, and so on.
    #[track_caller]
    fn check(spec: Value, words: &str, room: [u32; 5]) {
        let budget = pdb(&spec).unwrap().budget;
        assert_eq!([1, 2, 3, 4, 10].map(|pods| budget.room(pods)), room, "{spec}");
        assert_eq!(budget.to_string(), words);
    }

    #[test]
    fn a_number_of_pods_stays_or_may_go() {
        check(json!({ "minAvailable": 0 }), "minAvailable: 0", [1, 2, 3, 4, 10]);
        check(json!({ "minAvailable": 2 }), "minAvailable: 2", [0, 0, 1, 2, 8]);
        check(json!({ "maxUnavailable": 0 }), "maxUnavailable: 0", [0; 5]);
        check(
            json!({ "maxUnavailable": 2 }),
            "maxUnavailable: 2",
            [1, 2, 2, 2, 2],
        );
    }

    #[test]
    fn a_percentage_of_pods_is_rounded_up_whether_it_stays_or_may_go() {
        check(
            json!({ "minAvailable": "50%" }),
            "minAvailable: 50%",
            [0, 1, 1, 2, 5],
        );
        check(
            json!({ "minAvailable": "75%" }),
            "minAvailable: 75%",
            [0, 0, 0, 1, 2],
        );
        check(json!({ "minAvailable": "100%" }), "minAvailable: 100%", [0; 5]);
        check(json!({ "maxUnavailable": "1%" }), "maxUnavailable: 1%", [1; 5]);
        check(
            json!({ "maxUnavailable": "34%" }),
            "maxUnavailable: 34%",
            [1, 1, 2, 2, 4],
        );
        check(json!({ "maxUnavailable": "0%" }), "maxUnavailable: 0%", [0; 5]);
    }

    #[test]
    fn one_that_says_nothing_lets_nothing_go() {
        check(json!({}), "neither minAvailable nor maxUnavailable", [0; 5]);
    }

    #[test]
    fn an_empty_selector_is_for_every_pod_and_none_is_for_no_pod() {
        let selector = |selector: Value| pdb(&json!({ "selector": selector })).unwrap().selector;
        assert_eq!(selector(json!({})).as_deref(), Some(""));
        assert_eq!(selector(Value::Null), None);
        assert_eq!(
            selector(json!({ "matchLabels": { "app": "api" } })).as_deref(),
            Some("app=api")
        );
    }

    #[test]
    fn what_is_no_share_is_refused_and_not_guessed() {
        for wrong in [json!("half"), json!("%"), json!("5"), json!(-1), json!("-5%")] {
            assert!(pdb(&json!({ "minAvailable": wrong })).is_err(), "{wrong}");
        }
    }
}
