//! Pods by their labels, so that a selector is held against the few that can match, once a workload.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use headroom_policy_engine::hpa::{Selector, Wants};

use crate::Pod;

/// The places of pods by the value of one label.
type ByValue = HashMap<Box<str>, Vec<u32>>;

/// Pods by the labels that selectors have asked for, each indexed when the first one asks.
#[derive(Debug, Default)]
pub(crate) struct LabelIndex(Mutex<HashMap<String, Arc<ByValue>>>);

impl LabelIndex {
    /// The pods of `pods` that `selector` matches, in their order. All calls must be about the same pods.
    pub(crate) fn select<'p>(&self, pods: &'p [Arc<Pod>], selector: &Selector) -> Vec<&'p Arc<Pod>> {
        match self.fewest(pods, selector) {
            Some(places) => {
                let pods = places
                    .into_iter()
                    .filter_map(|place| pods.get(usize::try_from(place).ok()?));
                pods.filter(|pod| pod.labels.matches(selector)).collect()
            }
            None => pods.iter().filter(|pod| pod.labels.matches(selector)).collect(),
        }
    }

    /// The places that the most selective of the selector's equalities leaves; `None` where it has none.
    fn fewest(&self, pods: &[Arc<Pod>], selector: &Selector) -> Option<Vec<u32>> {
        let equalities = selector
            .requirements()
            .iter()
            .filter_map(|requirement| match &requirement.wants {
                Wants::OneOf(values) => Some((&requirement.key, values)),
                Wants::Present | Wants::Absent | Wants::NoneOf(_) | Wants::Above(_) | Wants::Below(_) => None,
            });
        let places = equalities.map(|(key, values)| {
            let by_value = self.of(pods, key);
            let places = values.iter().filter_map(|value| by_value.get(value.as_str()));
            let mut places: Vec<u32> = places.flatten().copied().collect();
            places.sort_unstable();
            places.dedup();
            places
        });
        places.min_by_key(Vec::len)
    }

    fn of(&self, pods: &[Arc<Pod>], key: &str) -> Arc<ByValue> {
        let mut indexed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(by_value) = indexed.get(key) {
            return Arc::clone(by_value);
        }
        let mut by_value = ByValue::new();
        for (place, pod) in (0..).zip(pods) {
            if let Some(value) = pod.labels.get(key) {
                by_value.entry(value.into()).or_default().push(place);
            }
        }
        let by_value = Arc::new(by_value);
        indexed.insert(key.to_owned(), Arc::clone(&by_value));
        by_value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Kept as _;

    fn pods() -> Vec<Arc<Pod>> {
        let pod = |(name, app, tier): (&str, &str, &str)| {
            let raw = serde_json::json!({"metadata": {"name": name, "labels": {"app": app, "tier": tier}}});
            Arc::new(Pod::keep(serde_json::from_value(raw).unwrap(), &()))
        };
        let pods = [
            ("a", "api", "web"),
            ("b", "api", "db"),
            ("c", "shop", "web"),
            ("d", "api", "web"),
        ];
        pods.into_iter().map(pod).collect()
    }

    #[track_caller]
    fn check(selector: &str, expected: &[&str]) {
        let (pods, index) = (pods(), LabelIndex::default());
        let selector = Selector::parse(selector).unwrap();
        for asked in ["first", "again"] {
            let selected = index.select(&pods, &selector);
            let names: Vec<&str> = selected.iter().map(|pod| &*pod.name).collect();
            assert_eq!(names, expected, "{selector:?} {asked}");
        }
    }

    #[test]
    fn a_selector_finds_the_pods_that_match_all_of_it() {
        check("app=api", &["a", "b", "d"]);
        check("app=api,tier=web", &["a", "d"]);
        check("app in (api,shop),tier!=db", &["a", "c", "d"]);
        check("app=none", &[]);
        check("other=x", &[]);
        check("tier notin (web)", &["b"]);
        check("app,!old", &["a", "b", "c", "d"]);
    }
}
