//! The readings of counters that are kept from pass to pass, so that there is a rate.
//!
//! For each replica and query three moments are kept: a base, one between, and the newest; and for each series the
//! newest value with its increase since the other two. So a counter that starts anew is noticed in every pass, and
//! the base can move on without a gap: when the moment between is as old as the window, it becomes the base. With
//! passes closer together than the window, the base is therefore between four fifths of it and about twice as old
//! (2.4 times at most, where three passes make two windows); with passes farther apart, it is the pass before.
//!
//! Entries that are too old to give a rate go, and the number of series is limited.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use headroom_policy_engine::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{lost::Lost, page::PageKey};
use crate::exposition::Samples;

/// The most series of one replica that one query may match.
const MAX_SERIES_OF_REPLICA: usize = 10_000;
/// The most series that are kept in all.
const MAX_SERIES: usize = 200_000;
/// The share of the window that a rate has to cover to count as whole: that of the engine, so that passes as far
/// apart as the window, give or take, have a rate each time.
const WHOLE: f64 = 0.8;
/// The share below which there is no rate at all.
const LEAST: f64 = 0.5;
/// The layout of [`ScrapeReadings`]; another one is not read.
const VERSION: u16 = 1;

/// The kept readings as a value, to be stored and given back after a restart. The same readings give the same rates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScrapeReadings {
    version: u16,
    tracks: Vec<(TrackKey, Track)>,
}

impl Default for ScrapeReadings {
    fn default() -> Self {
        Self {
            version: VERSION,
            tracks: Vec::new(),
        }
    }
}

impl ScrapeReadings {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tracks.is_empty()
    }
}

/// Readings that cannot be taken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("readings of version {found} are not known here; this is version {VERSION}")]
pub struct ReadingsVersionError {
    /// The version they say they have.
    pub found: u16,
}

/// Whose readings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct TrackKey {
    pub(super) page: PageKey,
    pub(super) series: Arc<str>,
    pub(super) rate_over: Duration,
}

/// What is kept of one replica for one query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Track {
    base: Timestamp,
    between: Option<Timestamp>,
    newest: Timestamp,
    counters: BTreeMap<Box<str>, Counter>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Counter {
    newest: f64,
    since_base: f64,
    since_between: f64,
}

/// What a reading of a counter gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rated {
    /// A rate per second.
    Rate {
        per_second: f64,
        /// The time of the newest reading behind it.
        at: Timestamp,
        /// How much of the window it covers, at most 1.
        window: f64,
    },
    /// There is no earlier reading that would do.
    NotYet,
}

impl Rated {
    /// Whether it covers its window.
    pub(super) fn is_whole(self) -> bool {
        matches!(self, Self::Rate { window, .. } if window >= WHOLE)
    }
}

/// The readings of all replicas.
#[derive(Debug, Default)]
pub(super) struct Readings {
    tracks: BTreeMap<TrackKey, Track>,
    /// How many series they have together.
    series: usize,
}

impl Readings {
    /// Adds what a replica said at `now`, and says at which rate its counters grew. A rate is taken over less than
    /// `longest`, or twice the window where that is more.
    pub(super) fn record(
        &mut self,
        key: TrackKey,
        samples: &Samples,
        now: Timestamp,
        longest: Duration,
    ) -> Result<Rated, Lost> {
        let limit = longest_span(key.rate_over, longest);
        if samples.len() > MAX_SERIES_OF_REPLICA {
            return Err(Lost::TooManySeries {
                limit: MAX_SERIES_OF_REPLICA,
            });
        }
        if let Some((series, measured)) = samples.iter().find(|(_, measured)| !measured.value.is_finite()) {
            return Err(Lost::NotACounter {
                series: series.to_owned(),
                value: measured.value,
            });
        }
        let at = samples
            .iter()
            .map(|(_, measured)| measured.at)
            .min()
            .unwrap_or(now);
        let rate_over = key.rate_over;
        let before = self.tracks.remove(&key);
        self.series -= before.as_ref().map_or(0, Track::series);
        let track = match before {
            None => Track::start(samples, at),
            Some(mut track) => {
                track.advance(samples, at, rate_over, limit);
                track
            }
        };
        // Without its readings a replica has no rate; with some of them its rate would be too small.
        if track.series() > MAX_SERIES_OF_REPLICA {
            return Err(Lost::TooManySeries {
                limit: MAX_SERIES_OF_REPLICA,
            });
        }
        if self.series + track.series() > MAX_SERIES {
            return Err(Lost::NoRoom { limit: MAX_SERIES });
        }
        let rate = track.rate(rate_over);
        self.series += track.series();
        self.tracks.insert(key, track);
        Ok(rate)
    }

    /// Lets go of what is too old at `now` to give a rate.
    pub(super) fn prune(&mut self, now: Timestamp, longest: Duration) {
        self.tracks.retain(|key, track| {
            let limit = longest_span(key.rate_over, longest);
            now.since(track.newest).max(track.newest.since(now)) < limit
        });
        self.count();
    }

    pub(super) fn export(&self) -> ScrapeReadings {
        let tracks = self
            .tracks
            .iter()
            .map(|(key, track)| (key.clone(), track.clone()));
        ScrapeReadings {
            version: VERSION,
            tracks: tracks.collect(),
        }
    }

    /// Takes up stored readings in place of those here, as many as there is room for.
    pub(super) fn restore(&mut self, readings: ScrapeReadings) -> Result<(), ReadingsVersionError> {
        if readings.version != VERSION {
            return Err(ReadingsVersionError {
                found: readings.version,
            });
        }
        let mut room = MAX_SERIES;
        let fitting = readings.tracks.into_iter().filter(|(_, track)| {
            let series = track.counters.len();
            let fits = series <= room.min(MAX_SERIES_OF_REPLICA);
            room -= if fits { series } else { 0 };
            fits && track.counters.values().all(Counter::is_sound)
        });
        self.tracks = fitting.collect();
        self.count();
        Ok(())
    }

    fn count(&mut self) {
        self.series = self.tracks.values().map(Track::series).sum();
    }
}

impl Track {
    fn start(samples: &Samples, at: Timestamp) -> Self {
        let counters = samples.iter().map(|(series, measured)| {
            let counter = Counter {
                newest: measured.value,
                ..Counter::default()
            };
            (Box::from(series), counter)
        });
        Self {
            base: at,
            between: None,
            newest: at,
            counters: counters.collect(),
        }
    }

    fn advance(&mut self, samples: &Samples, at: Timestamp, rate_over: Duration, limit: Duration) {
        if at == self.newest {
            // Nothing was measured since: the text carries its own timestamps, or two queries share the reading.
            return;
        }
        let went_back = at < self.newest;
        if went_back || at.since(self.newest) >= limit {
            *self = Self::start(samples, at);
            return;
        }
        self.accumulate(samples);
        self.newest = at;
        self.move_base(rate_over, limit);
        if at.since(self.base) >= limit {
            *self = Self::start(samples, at);
        }
    }

    /// Adds what each counter grew by. A value below the last means that the counter started anew at zero, as in
    /// Prometheus' `increase`; a series that was not there in the reading before started at zero since.
    fn accumulate(&mut self, samples: &Samples) {
        for (series, measured) in samples.iter() {
            match self.counters.get_mut(series) {
                Some(counter) => counter.grow_to(measured.value),
                None => {
                    let mut counter = Counter::default();
                    counter.grow_to(measured.value);
                    self.counters.insert(series.into(), counter);
                }
            }
        }
        // A series that is gone counts for as long as it grew within the window.
        self.counters
            .retain(|series, counter| counter.since_base > 0.0 || samples.contains(series));
    }

    fn move_base(&mut self, rate_over: Duration, limit: Duration) {
        let whole = rate_over.mul_f64(WHOLE);
        let at = self.newest;
        match self.between {
            None if at.since(self.base) >= whole => self.set_between(Some(at)),
            None => {}
            Some(between) if at.since(between) >= whole => {
                self.take_between_as_base(between);
                self.set_between(Some(at));
            }
            Some(between) if at.since(self.base) >= limit => {
                self.take_between_as_base(between);
                self.set_between(None);
            }
            Some(_) => {}
        }
    }

    fn series(&self) -> usize {
        self.counters.len()
    }

    fn set_between(&mut self, at: Option<Timestamp>) {
        self.between = at;
        for counter in self.counters.values_mut() {
            counter.since_between = 0.0;
        }
    }

    fn take_between_as_base(&mut self, between: Timestamp) {
        self.base = between;
        for counter in self.counters.values_mut() {
            counter.since_base = counter.since_between;
        }
    }

    fn rate(&self, rate_over: Duration) -> Rated {
        let span = self.newest.since(self.base);
        let window = span.as_secs_f64() / rate_over.as_secs_f64();
        if span.is_zero() || window < LEAST {
            return Rated::NotYet;
        }
        let increase: f64 = self.counters.values().map(|counter| counter.since_base).sum();
        Rated::Rate {
            per_second: increase / span.as_secs_f64(),
            at: self.newest,
            window: window.min(1.0),
        }
    }
}

impl Counter {
    fn grow_to(&mut self, value: f64) {
        let increase = if value < self.newest {
            value
        } else {
            value - self.newest
        };
        self.newest = value;
        self.since_base += increase;
        self.since_between += increase;
    }

    fn is_sound(&self) -> bool {
        [self.newest, self.since_base, self.since_between]
            .iter()
            .all(|value| value.is_finite())
    }
}

/// Readings this far apart or farther give no rate.
fn longest_span(rate_over: Duration, longest: Duration) -> Duration {
    rate_over.saturating_mul(2).max(longest)
}

#[cfg(test)]
mod tests;
