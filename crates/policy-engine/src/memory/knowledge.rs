//! What has been known of the load, for the fallback: since when not, what was recommended last while it was, and
//! the end of a fallback.

use std::time::Duration;

use crate::{FallbackWhen, MetricName, Replicas, Timestamp};

/// What has been known of the load.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Knowledge {
    /// The first evaluation of those in a row in which no deciding metric was known.
    pub(crate) blind_since: Option<Timestamp>,
    /// The deciding metrics that are not known now. Empty most of the time.
    unknown: Vec<Unknown>,
    /// What was recommended when enough was known for the last time.
    pub(crate) last_recommended: Option<Replicas>,
    /// A fallback that is in force, or has just been.
    pub(crate) recovery: Option<Recovery>,
}

/// A metric that is not known.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Unknown {
    metric: MetricName,
    /// The first evaluation of those in a row in which it was not known.
    since: Timestamp,
}

/// The end of a fallback.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Recovery {
    /// The count that the fallback kept or raised to.
    pub(crate) kept: Replicas,
    /// Since when enough has been known again; `None` while it is not.
    pub(crate) known_since: Option<Timestamp>,
}

impl Knowledge {
    /// Takes note of a deciding metric.
    pub(crate) fn note(&mut self, metric: &MetricName, is_known: bool, now: Timestamp) {
        if is_known && self.unknown.is_empty() {
            return;
        }
        let noted = self.unknown.iter().position(|unknown| unknown.metric == *metric);
        match (noted, is_known) {
            (Some(index), true) => {
                self.unknown.remove(index);
            }
            (None, false) => self.unknown.push(Unknown {
                metric: metric.clone(),
                since: now,
            }),
            (Some(_), false) | (None, true) => {}
        }
    }

    /// How many deciding metrics are not known.
    pub(crate) fn unknown(&self) -> usize {
        self.unknown.len()
    }

    /// Forgets metrics that `is_wanted` does not know, so that changed policies leave nothing behind.
    pub(crate) fn keep(&mut self, is_wanted: impl Fn(&MetricName) -> bool) {
        self.unknown.retain(|unknown| is_wanted(&unknown.metric));
    }

    /// For how long too little has been known, and of one metric which; `None` while enough is known.
    pub(crate) fn unknown_for(
        &self,
        when: FallbackWhen,
        now: Timestamp,
    ) -> Option<(Duration, Option<&MetricName>)> {
        match when {
            FallbackWhen::All => self.blind_since.map(|since| (now.since(since), None)),
            FallbackWhen::Any => {
                let longest = self.unknown.iter().min_by_key(|unknown| unknown.since)?;
                Some((now.since(longest.since), Some(&longest.metric)))
            }
        }
    }

    pub(crate) fn shift_back(&mut self, by: Duration) {
        let known_since = self
            .recovery
            .iter_mut()
            .filter_map(|end| end.known_since.as_mut());
        let unknown = self.unknown.iter_mut().map(|unknown| &mut unknown.since);
        for moment in self.blind_since.iter_mut().chain(known_since).chain(unknown) {
            *moment = moment.minus(by);
        }
    }
}
