//! The questions of one pass, each text once, and the answers made of what came back.
//!
//! Sending is done elsewhere. The queries themselves stand before those about their age and coverage, so that the
//! numbers come first where time is short.

use std::{collections::HashMap, sync::Arc, time::Duration};

use headroom_policy_engine::{Coverage, Reading, Timestamp};

use super::{
    envelope::{QueryAnswer, timestamp},
    intervals::Intervals,
    past::Ranges,
    selectors::{Part, Plan, Spacing, Window},
};
use crate::{Answer, MetricQuery, Moments, ObserveError, Past, PastAnswer, PromqlQuery};

/// What came back for one question.
pub(super) type Outcome = Result<QueryAnswer, Arc<ObserveError>>;

/// The questions of one pass.
#[derive(Debug, Default)]
pub(super) struct Pass {
    /// Each text once. What came back is kept in the same order.
    questions: Vec<Arc<str>>,
    ids: HashMap<Arc<str>, usize>,
    /// The queries in the caller's order; nothing for those that are not PromQL.
    asked: Vec<Option<Asked>>,
}

/// One query, by the places of its questions.
#[derive(Debug)]
struct Asked {
    value: usize,
    coverage: Option<usize>,
    /// What the coverage query has that would mean another moment in a range query.
    coverage_other_moment: Option<&'static str>,
    plan: Arc<Plan>,
    /// Beside the plan's parts.
    parts: Vec<AskedPart>,
}

#[derive(Debug)]
struct AskedPart {
    age: usize,
    count: Option<usize>,
    late_age: Option<usize>,
}

impl Pass {
    /// The questions for `queries`; `plan_of` says what is asked beside each.
    pub(super) fn new(queries: &[MetricQuery], plan_of: impl Fn(&Arc<str>) -> Arc<Plan>) -> Self {
        let mut pass = Self::default();
        let promql: Vec<Option<&PromqlQuery>> = queries.iter().map(promql).collect();
        for query in promql.iter().flatten() {
            pass.ask(&query.query);
        }
        for coverage in promql
            .iter()
            .flatten()
            .filter_map(|query| query.coverage.as_ref())
        {
            pass.ask(coverage);
        }
        pass.asked = promql
            .iter()
            .map(|query| {
                query.map(|query| {
                    let coverage = query.coverage.as_ref().map(&plan_of);
                    pass.plan(query, plan_of(&query.query), coverage.as_deref())
                })
            })
            .collect();
        pass
    }

    /// All questions from the place `first` on.
    pub(super) fn questions_from(&self, first: usize) -> &[Arc<str>] {
        self.questions.get(first..).unwrap_or_default()
    }

    /// Whether anything is asked whose answer depends on how often a job is scraped.
    pub(super) fn needs_intervals(&self) -> bool {
        self.asked.iter().flatten().any(|asked| !asked.parts.is_empty())
    }

    /// Adds the questions that follow from `outcomes`: the newest sample of ranges whose series have ended.
    pub(super) fn ask_late_ages(&mut self, outcomes: &[Outcome], intervals: &Intervals) {
        let mut asked = std::mem::take(&mut self.asked);
        for query in asked.iter_mut().flatten() {
            if !has_number(&outcomes[query.value]) {
                continue;
            }
            for (part, places) in query.plan.parts.iter().zip(&mut query.parts) {
                let (Some(count), None) = (places.count, places.late_age) else {
                    continue;
                };
                let counted = by_job(&outcomes[count]);
                if !by_job(&outcomes[places.age]).is_some_and(|ages| ages.is_empty())
                    || counted.as_ref().is_some_and(Vec::is_empty)
                {
                    continue;
                }
                let intervals = counted.iter().flatten().filter_map(|(job, _)| intervals.of(job));
                places.late_age = part.late_age(intervals.min()).map(|text| self.ask(&text));
            }
        }
        self.asked = asked;
    }

    /// The answers, in the order of the queries.
    pub(super) fn answers(&self, outcomes: &[Outcome], intervals: &Intervals) -> Vec<Answer> {
        let unsupported = || Answer::failed(ObserveError::Unsupported);
        self.asked
            .iter()
            .map(|asked| {
                asked
                    .as_ref()
                    .map_or_else(unsupported, |asked| asked.answer(outcomes, intervals))
            })
            .collect()
    }

    /// The answers about some moments, in the order of the queries, of what came back for each of them.
    ///
    /// Beside what a pass goes on without, nothing may be missing: an age that was not answered would count as fresh.
    pub(super) fn past_answers(
        &self,
        ranges: &Ranges,
        moments: &Moments,
        intervals: &Intervals,
    ) -> Vec<Past> {
        let failure = |asked: &Option<Asked>| match asked {
            None => Some(Arc::new(ObserveError::Unsupported)),
            Some(asked) => asked.past_failure(ranges),
        };
        let mut all: Vec<Past> = self
            .asked
            .iter()
            .map(|asked| failure(asked).map_or_else(|| Ok(Vec::new()), Err))
            .collect();
        for outcomes in ranges.each(moments) {
            for (past, asked) in all.iter_mut().zip(&self.asked) {
                if let (Ok(past), Some(asked)) = (past, asked) {
                    let answer = asked.answer(&outcomes, intervals);
                    past.push(PastAnswer {
                        reading: answer.reading.map_err(|error| error.cause()),
                        scrape_interval: answer.scrape_interval,
                    });
                }
            }
        }
        all
    }

    fn plan(&mut self, query: &PromqlQuery, plan: Arc<Plan>, coverage_plan: Option<&Plan>) -> Asked {
        let parts = plan
            .parts
            .iter()
            .map(|part| AskedPart {
                age: self.ask(&part.age),
                count: part.window.as_ref().map(|window| self.ask(&window.count)),
                late_age: None,
            })
            .collect();
        Asked {
            value: self.ask(&query.query),
            coverage: query.coverage.as_ref().map(|coverage| self.ask(coverage)),
            coverage_other_moment: coverage_plan.and_then(|plan| plan.other_moment),
            plan,
            parts,
        }
    }

    /// The place of this question, which is asked once however often it is wanted.
    fn ask(&mut self, text: &Arc<str>) -> usize {
        if let Some(place) = self.ids.get(text) {
            return *place;
        }
        let place = self.questions.len();
        self.questions.push(Arc::clone(text));
        self.ids.insert(Arc::clone(text), place);
        place
    }
}

impl Asked {
    /// Why the past of this query cannot be told.
    fn past_failure(&self, ranges: &Ranges) -> Option<Arc<ObserveError>> {
        let what = self.plan.other_moment.or(self.coverage_other_moment);
        if let Some(what) = what {
            return Some(Arc::new(ObserveError::OtherMoment { what }));
        }
        let parts = self.parts.iter();
        let parts = parts.flat_map(|part| [Some(part.age), part.count, part.late_age]);
        let mut all = [Some(self.value), self.coverage]
            .into_iter()
            .chain(parts)
            .flatten();
        all.find_map(|place| ranges.failure(place).cloned())
    }

    fn answer(&self, outcomes: &[Outcome], intervals: &Intervals) -> Answer {
        let (point, remarks) = match &outcomes[self.value] {
            Ok(answer) => (answer.one_number().map_err(Arc::new), answer.remarks.as_slice()),
            Err(error) => (Err(Arc::clone(error)), &[][..]),
        };
        let mut known = Known::new(remarks);
        for (part, places) in self.plan.parts.iter().zip(&self.parts) {
            known.learn(part, places, outcomes, intervals);
        }
        let scrape_interval = known.interval(intervals);
        let point = match point {
            Ok(point) => point,
            // What is not there has no age.
            Err(error) => {
                return Answer {
                    reading: Err(error),
                    remarks: remarks.iter().map(|remark| Arc::from(remark.as_str())).collect(),
                    scrape_interval,
                    pods: None,
                };
            }
        };
        for remark in &self.plan.unasked {
            known.remark(remark);
        }
        let replicas = self
            .coverage
            .map(|place| known.covered_replicas(&outcomes[place]));
        Answer {
            reading: Ok(Reading {
                value: point.value,
                answered_at: Some(point.at),
                newest_sample: known.newest,
                coverage: Coverage {
                    replicas,
                    window: known.share,
                },
            }),
            remarks: known.remarks,
            scrape_interval,
            pods: None,
        }
    }
}

/// What is known about a value, as its parts are looked at one by one.
#[derive(Default)]
struct Known {
    remarks: Vec<Arc<str>>,
    /// The newest sample of the part whose newest sample is the oldest: a ratio is as old as its older half. Where a
    /// part's age is unknown the value is at least as old as this, and a remark says so.
    newest: Option<Timestamp>,
    /// The share of the window of the part that has the least of its own.
    share: Option<f64>,
    longest_interval: Option<Duration>,
    is_interval_unknown: bool,
}

impl Known {
    fn new(remarks: &[String]) -> Self {
        Self {
            remarks: remarks.iter().map(|remark| Arc::from(remark.as_str())).collect(),
            ..Self::default()
        }
    }

    fn learn(&mut self, part: &Part, places: &AskedPart, outcomes: &[Outcome], intervals: &Intervals) {
        let Part { selector, .. } = part;
        let mut jobs: Vec<&str> = Vec::new();
        let age = match places.late_age {
            Some(late) if by_job(&outcomes[places.age]).is_some_and(|ages| ages.is_empty()) => {
                &outcomes[late]
            }
            Some(_) | None => &outcomes[places.age],
        };
        match read_by_job(age) {
            Err(error) => self.remark(&format!("the age of {selector} is unknown: {error}")),
            Ok(newest) => {
                let seconds = newest.iter().map(|(_, seconds)| *seconds).reduce(f64::max);
                if let Some(seconds) = seconds {
                    let newest = shifted(timestamp(seconds), part.looks_back);
                    self.newest = Some(self.newest.map_or(newest, |known| known.min(newest)));
                } else {
                    self.remark(&format!("no sample matches {selector}, so it has no age"));
                }
                jobs.extend(newest.iter().map(|(job, _)| *job));
            }
        }
        if let (Some(window), Some(count)) = (&part.window, places.count) {
            match read_by_job(&outcomes[count]) {
                Err(error) => self.remark(&format!("how much of {selector} has samples is unknown: {error}")),
                Ok(counts) => {
                    self.learn_share(selector, window, &counts, intervals);
                    jobs.extend(counts.iter().map(|(job, _)| *job));
                }
            }
        }
        for job in jobs {
            match intervals.of(job) {
                Some(interval) => self.longest_interval = self.longest_interval.max(Some(interval)),
                None => self.is_interval_unknown = true,
            }
        }
    }

    /// The part's share is that of the job which has the most of it: one that came or went while others ran is no gap.
    fn learn_share(
        &mut self,
        selector: &str,
        window: &Window,
        counts: &[(&str, f64)],
        intervals: &Intervals,
    ) {
        let mut best: Option<f64> = None;
        for (job, count) in counts {
            let spacing = match window.spacing {
                Spacing::Step(step) => Some(step),
                Spacing::Scrapes => intervals.of(job),
            };
            let Some(spacing) = spacing else {
                self.remark(&format!(
                    "how much of {selector} has samples is unknown, because its scrape interval is: {}; \
                     `scrape_interval` in the settings would tell",
                    intervals.why_unknown(job)
                ));
                return;
            };
            let share = window.share(*count, spacing);
            best = Some(best.map_or(share, |best| best.max(share)));
        }
        if let Some(share) = best {
            self.share = Some(self.share.map_or(share, |known| known.min(share)));
        }
    }

    /// How many replicas took part, by the coverage query. Where it found none, or failed, none is known to have:
    /// the value may raise and never lower.
    fn covered_replicas(&mut self, outcome: &Outcome) -> f64 {
        let found = match outcome {
            Ok(answer) => answer
                .one_number()
                .map(|point| point.value)
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        found.unwrap_or_else(|error| {
            self.remark(&format!(
                "no replica is known to take part in the value: the coverage query says: {error}"
            ));
            0.0
        })
    }

    /// How often what the value is made of is scraped; unknown if that is unknown of any part.
    fn interval(&self, intervals: &Intervals) -> Option<Duration> {
        match intervals {
            Intervals::Setting(interval) => Some(*interval),
            Intervals::Asked(_) | Intervals::Unknown(_) if self.is_interval_unknown => None,
            Intervals::Asked(_) | Intervals::Unknown(_) => self.longest_interval,
        }
    }

    fn remark(&mut self, remark: &str) {
        if !self.remarks.iter().any(|known| **known == *remark) {
            self.remarks.push(Arc::from(remark));
        }
    }
}

fn promql(query: &MetricQuery) -> Option<&PromqlQuery> {
    match query {
        MetricQuery::Promql(query) => Some(query),
        MetricQuery::Scrape(_) | MetricQuery::Usage(_) | MetricQuery::Recorded(_) => None,
    }
}

fn has_number(outcome: &Outcome) -> bool {
    outcome.as_ref().is_ok_and(|answer| answer.one_number().is_ok())
}

fn by_job(outcome: &Outcome) -> Option<Vec<(&str, f64)>> {
    outcome.as_ref().ok()?.by_job().ok()
}

fn read_by_job(outcome: &Outcome) -> Result<Vec<(&str, f64)>, String> {
    match outcome {
        Ok(answer) => answer.by_job().map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// The sample's time as seen from the evaluation, where its selector looks `looks_back` milliseconds before that.
fn shifted(sample: Timestamp, looks_back: i64) -> Timestamp {
    Timestamp::from_unix_millis(sample.unix_millis().saturating_add(looks_back))
}
