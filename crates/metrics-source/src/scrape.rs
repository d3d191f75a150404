//! Reads the replicas' own metrics, in the text exposition format, and makes one number of them.
//!
//! Owns asking replicas, adding up what they say, and the readings that turn counters into rates. Which replicas
//! there are is told by the target, with the query. The grammar of the text is that of [`crate::exposition`].
//!
//! What a missing part is: a replica that does not answer in time, whose text has a line that does not parse, that
//! does not have the series, or whose counters have no rate yet. It takes no part in the value, is not counted in
//! the coverage, and is remarked on. It is never a zero: a counter that appears with the first request leaves its
//! replica out until then.

mod combine;
mod lost;
mod page;
mod readings;
mod selector;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use headroom_policy_engine::Timestamp;
use thiserror::Error;
use tokio::time::{Instant, sleep_until};

use crate::{
    Answer, Endpoint, EndpointAddress, MetricQuery, MetricsSource, Moments, ObserveError, Past, ScrapeQuery,
    exposition::Samples, past,
};
use combine::{Seen, Share, combine};
use lost::Lost;
use page::{PageKey, Pages};
use readings::{Rated, Readings, TrackKey};

pub use readings::{ReadingsVersionError, ScrapeReadings};
pub use selector::{Selector, SelectorError};

/// How replicas are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrapeOptions {
    /// What has not answered after this time is missing. Reading twice takes it twice, and the window between.
    pub deadline: Duration,
    /// How many replicas are asked at once.
    pub max_concurrent: usize,
    /// The most that is read of one replica, in bytes.
    pub max_body: usize,
    /// What is done about a rate without an earlier reading.
    pub first_rate: FirstRate,
}

impl Default for ScrapeOptions {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(4),
            max_concurrent: 64,
            max_body: 16 * 1024 * 1024,
            first_rate: FirstRate::default(),
        }
    }
}

/// What is done about a rate for which no earlier reading will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstRate {
    /// There is no rate yet; a later pass will have one. For loops.
    Wait {
        /// Where passes are farther apart than the window, the rate since the pass before is taken instead, if that
        /// was less than this ago (or less than twice the window, where that is more).
        longest: Duration,
    },
    /// The replicas are read again when the window has passed. For one-shot runs.
    ReadTwice {
        /// A rate over a longer window is not waited for.
        longest_wait: Duration,
    },
}

impl Default for FirstRate {
    fn default() -> Self {
        Self::Wait {
            longest: Duration::from_secs(120),
        }
    }
}

impl FirstRate {
    const fn longest_span(self) -> Duration {
        match self {
            Self::Wait { longest } => longest,
            Self::ReadTwice { .. } => Duration::ZERO,
        }
    }

    fn waits_for(self, rate_over: Duration) -> bool {
        match self {
            Self::Wait { .. } => false,
            Self::ReadTwice { longest_wait } => rate_over <= longest_wait,
        }
    }
}

/// The HTTP client could not be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the HTTP client could not be made: {reason}")]
pub struct ScrapeSetupError {
    /// Why not.
    pub reason: String,
}

/// The replicas' own metrics.
#[derive(Debug)]
pub struct ScrapeSource {
    options: ScrapeOptions,
    pages: Pages,
    readings: Mutex<Readings>,
}

impl ScrapeSource {
    /// A source that has read nothing yet.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new(options: ScrapeOptions) -> Result<Self, ScrapeSetupError> {
        Ok(Self {
            pages: Pages::new(options.max_body)?,
            options,
            readings: Mutex::default(),
        })
    }

    /// The readings that rates are made from, to be kept for the next start.
    #[must_use]
    pub fn readings(&self) -> ScrapeReadings {
        self.kept().export()
    }

    /// Takes up the readings of an earlier start, in place of those here.
    ///
    /// # Errors
    /// When they are of a version that is not known here. Those here then stay.
    pub fn restore(&self, readings: ScrapeReadings) -> Result<(), ReadingsVersionError> {
        self.kept().restore(readings)
    }

    fn kept(&self) -> MutexGuard<'_, Readings> {
        // Whoever panicked while holding it left whole readings: each is put in its place in one step.
        self.readings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for everything wanted, each text once, and says what each replica had.
    async fn read<'q>(&self, wanted: &[&Wanted<'q>], now: Timestamp) -> Vec<Round> {
        let texts = self.read_texts(wanted, now).await;
        let longest = self.options.first_rate.longest_span();
        let mut readings = self.kept();
        let round = wanted.iter().map(|wanted| {
            let mut is_whole = true;
            let parts = wanted.query.endpoints.iter().map(|endpoint| {
                let page = match wanted.page(endpoint) {
                    Ok(page) => page,
                    Err(lost) => return Seen::Lost(Arc::new(lost)),
                };
                let samples = match texts.get(&page, wanted) {
                    Some(Ok(samples)) => samples,
                    Some(Err(lost)) => return Seen::Lost(Arc::clone(lost)),
                    None => return Seen::Absent,
                };
                match wanted.see(page, samples, &mut readings, now, longest) {
                    Ok((seen, part_is_whole)) => {
                        is_whole &= part_is_whole;
                        seen
                    }
                    Err(lost) => Seen::Lost(Arc::new(lost)),
                }
            });
            let parts = parts.collect();
            Round {
                parts,
                is_whole,
                read_at: now,
            }
        });
        let round = round.collect();
        readings.prune(now, longest);
        round
    }

    async fn read_texts(&self, wanted: &[&Wanted<'_>], now: Timestamp) -> Texts {
        let mut pages: BTreeMap<PageKey, Vec<NamedSelector>> = BTreeMap::new();
        for wanted in wanted {
            let of_query = wanted
                .query
                .endpoints
                .iter()
                .map(|endpoint| wanted.page(endpoint));
            for page in of_query.flatten() {
                let selectors = pages.entry(page).or_default();
                let series = &wanted.query.series;
                if !selectors.iter().any(|(known, _)| known == series) {
                    selectors.push((Arc::clone(series), Arc::clone(&wanted.selector)));
                }
            }
        }
        let deadline = self.options.deadline;
        let until = Instant::now() + deadline;
        let reads = pages.into_iter().map(|(page, wanted)| async move {
            let selectors: Vec<&Selector> = wanted.iter().map(|(_, selector)| &**selector).collect();
            let found = match self
                .pages
                .read(&page.url(), &selectors, now, until, deadline)
                .await
            {
                Ok(samples) => samples.into_iter().map(Ok).collect(),
                Err(lost) => vec![Err(Arc::new(lost)); wanted.len()],
            };
            let keys = wanted.into_iter().map(move |(series, _)| (page.clone(), series));
            stream::iter(keys.zip(found))
        });
        let concurrent = self.options.max_concurrent.max(1);
        let texts = stream::iter(reads).buffer_unordered(concurrent).flatten();
        Texts(texts.collect().await)
    }
}

#[async_trait]
impl MetricsSource for ScrapeSource {
    async fn observe(&self, queries: &[MetricQuery], now: Timestamp) -> Vec<Answer> {
        let started = Instant::now();
        let mut answers: HashMap<&MetricQuery, Answer> = HashMap::new();
        let mut wanted: Vec<Wanted<'_>> = Vec::new();
        for asked in queries {
            if answers.contains_key(asked) {
                continue;
            }
            match Wanted::new(asked) {
                Ok(query) => {
                    wanted.push(query);
                    // Replaced below, whatever becomes of it.
                    answers.insert(asked, Answer::failed(ObserveError::NoData));
                }
                Err(refusal) => {
                    answers.insert(asked, refusal);
                }
            }
        }
        let first: Vec<&Wanted<'_>> = wanted.iter().collect();
        let mut again: BTreeMap<Duration, Vec<&Wanted<'_>>> = BTreeMap::new();
        for (wanted, round) in first.iter().zip(self.read(&first, now).await) {
            if let Some(rate_over) = wanted.query.rate_over
                && !round.is_whole
                && self.options.first_rate.waits_for(rate_over)
            {
                again.entry(rate_over).or_default().push(wanted);
            }
            answers.insert(wanted.asked, round.answer(wanted.query));
        }
        for (rate_over, wanted) in again {
            sleep_until(started + rate_over).await;
            let rounds = self.read(&wanted, now.plus(started.elapsed())).await;
            for (wanted, round) in wanted.iter().zip(rounds) {
                answers.insert(wanted.asked, round.answer(wanted.query));
            }
        }
        queries
            .iter()
            .map(|asked| answers.get(asked).cloned())
            .map(|answer| answer.unwrap_or_else(|| Answer::failed(ObserveError::Unsupported)))
            .collect()
    }

    /// Replicas know their present alone.
    async fn observe_past(&self, queries: &[MetricQuery], _moments: &Moments) -> Vec<Past> {
        past::unknown(queries)
    }
}

/// A query that can be asked, with its selector.
struct Wanted<'q> {
    asked: &'q MetricQuery,
    query: &'q ScrapeQuery,
    selector: Arc<Selector>,
}

impl<'q> Wanted<'q> {
    fn new(asked: &'q MetricQuery) -> Result<Self, Answer> {
        let MetricQuery::Scrape(query) = asked else {
            return Err(Answer::failed(ObserveError::Unsupported));
        };
        match Selector::parse(&query.series) {
            Ok(selector) => Ok(Self {
                asked,
                query,
                selector: Arc::new(selector),
            }),
            Err(error) => {
                let mut answer = Answer::failed(ObserveError::Unsupported);
                answer
                    .remarks
                    .push(format!("series {}: {error}", query.series).into());
                Err(answer)
            }
        }
    }

    fn page(&self, endpoint: &Endpoint) -> Result<PageKey, Lost> {
        match &endpoint.address {
            EndpointAddress::Url(base_url) => Ok(PageKey {
                replica: Arc::clone(&endpoint.id),
                base_url: Arc::clone(base_url),
                path: Arc::clone(&self.query.path),
            }),
            EndpointAddress::Unknown(reason) => Err(Lost::NoAddress {
                reason: Arc::clone(reason),
            }),
        }
    }

    /// What a replica's samples mean, and whether a second reading would make no more of them.
    fn see(
        &self,
        page: PageKey,
        samples: &Samples,
        readings: &mut Readings,
        now: Timestamp,
        longest: Duration,
    ) -> Result<(Seen, bool), Lost> {
        let Some(rate_over) = self.query.rate_over else {
            return Ok((level(samples), true));
        };
        let key = TrackKey {
            page,
            series: Arc::clone(&self.query.series),
            rate_over,
        };
        let rated = readings.record(key, samples, now, longest)?;
        if samples.is_empty() {
            return Ok((Seen::Absent, true));
        }
        let seen = match rated {
            Rated::NotYet => Seen::NoRateYet,
            Rated::Rate {
                per_second,
                at,
                window,
            } => Seen::Value(Share {
                value: per_second,
                at,
                window: Some(window),
            }),
        };
        Ok((seen, rated.is_whole()))
    }
}

/// The value of a gauge: the sum of what matches.
fn level(samples: &Samples) -> Seen {
    let Some(at) = samples.iter().map(|(_, measured)| measured.at).min() else {
        return Seen::Absent;
    };
    Seen::Value(Share {
        value: samples.iter().map(|(_, measured)| measured.value).sum(),
        at,
        window: None,
    })
}

/// A query's series, as it stands there, and what it means.
type NamedSelector = (Arc<str>, Arc<Selector>);

/// What a round found: for each text and series the samples, or why there is no such text.
struct Texts(HashMap<(PageKey, Arc<str>), Result<Samples, Arc<Lost>>>);

impl Texts {
    fn get(&self, page: &PageKey, wanted: &Wanted<'_>) -> Option<&Result<Samples, Arc<Lost>>> {
        self.0.get(&(page.clone(), Arc::clone(&wanted.query.series)))
    }
}

/// What one reading gave for one query.
struct Round {
    parts: Vec<Seen>,
    /// Whether a second reading would make no more of it.
    is_whole: bool,
    read_at: Timestamp,
}

impl Round {
    fn answer(&self, query: &ScrapeQuery) -> Answer {
        combine(query, &self.parts, self.read_at)
    }
}
