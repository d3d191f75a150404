//! The past of workloads without memory: asked of their sources, and made into what passes would have remembered.
//!
//! Whether that is exact is said by the engine, and what a value of the past is worth is judged as in a pass. Here is
//! decided who is asked about which moments.

use headroom_metrics_source::{Moments, Past, PastAnswer};
use headroom_policy_engine::{ActiveBounds, Memory, MissingCause, Observations, Timestamp, Workload};

use super::{
    Autoscaler,
    cohort::Asked,
    evaluate::observation,
    observe::{Answers, Place, Questions, SourceId, question},
    report::in_one_line,
};
use crate::{MetricOrigin, Rebuilt, WorkloadSettings};

/// The past of the workloads of a pass, in their order.
#[derive(Debug)]
pub(super) struct Pasts {
    wanted: Vec<Wanted>,
    answers: Vec<Vec<Past>>,
}

/// What is wanted of the past of one workload.
#[derive(Debug)]
enum Wanted {
    /// Nothing: it has a memory, or cannot be decided about.
    Nothing,
    /// Its memory cannot be rebuilt, and this is why.
    Refused(String),
    Asked {
        /// The moments, by our own clock.
        moments: Moments,
        /// Where the answers for its metrics are.
        places: Vec<Place>,
    },
}

type PastQuestions = Questions<(SourceId, Moments)>;

impl Pasts {
    /// Asks for what is wanted, all at once: each thing once over all workloads, in one range for each query.
    pub(super) async fn ask(
        autoscaler: &Autoscaler,
        asked: &[Asked],
        answers: &Answers,
        now: Timestamp,
    ) -> Self {
        let mut questions = PastQuestions::default();
        let wanted = asked.iter().map(|Asked { due, places, .. }| {
            if due.read.is_err() || due.taken.remembered().memory.has_history() {
                return Wanted::Nothing;
            }
            let settings = &autoscaler.workloads[due.taken.index].settings;
            want(settings, places, answers, &mut questions, now).unwrap_or_else(Wanted::Refused)
        });
        let wanted = wanted.collect();
        Self {
            wanted,
            answers: questions.ask_past(&autoscaler.sources).await,
        }
    }

    /// Rebuilds the memory of the workload at the place `number`, and says what became of that.
    pub(super) fn rebuild(
        &self,
        number: usize,
        settings: &WorkloadSettings,
        target: &Workload,
        memory: &mut Memory,
        now: Timestamp,
    ) -> Option<Rebuilt> {
        let (moments, places) = match self.wanted.get(number)? {
            Wanted::Nothing => return None,
            Wanted::Refused(reason) => return Some(Rebuilt::refused(reason)),
            Wanted::Asked { moments, places } => (moments, places),
        };
        let load = match places
            .iter()
            .map(|&place| self.at(place))
            .collect::<Result<Vec<_>, _>>()
        {
            Ok(load) => load,
            Err(reason) => return Some(Rebuilt::refused(&reason)),
        };
        let mut known = 0;
        let seen = moments.iter().enumerate().map(|(index, moment)| {
            let metrics = settings.metrics.iter().zip(&load);
            let seen: Observations = metrics
                .map(|(metric, past)| {
                    let answer = past.get(index).copied().unwrap_or(ABSENT);
                    let reading = answer.reading.map_err(of_the_past);
                    observation(metric, reading, answer.scrape_interval, target, moment)
                })
                .collect();
            known += u32::from(seen.iter().all(|seen| seen.known().is_some()));
            (moment, seen)
        });
        let rebuilt = memory.rebuild(&settings.policy, target, seen);
        Some(match rebuilt {
            Ok(()) => Rebuilt::From {
                since: moments.first(),
                moments: moments.count(),
                known,
                is_covered: memory.covers_window(&settings.policy, now),
            },
            Err(inexact) => Rebuilt::refused(&inexact.to_string()),
        })
    }

    fn at(&self, place: Place) -> Result<&[PastAnswer], String> {
        let past = match place {
            Place::Asked { source, query } => self.answers.get(source).and_then(|all| all.get(query)),
            Place::NotAsked => None,
        };
        match past {
            Some(Ok(answers)) => Ok(answers),
            Some(Err(error)) => Err(in_one_line(&**error)),
            None => Err("its source is not there".to_owned()),
        }
    }
}

/// Nothing is known of a moment.
const ABSENT: PastAnswer = PastAnswer {
    reading: Err(MissingCause::NotAsked),
    scrape_interval: None,
};

/// That there is no series may have meant no load, had it been asked then. It may also be a time when nobody scraped.
fn of_the_past(cause: MissingCause) -> MissingCause {
    if cause == MissingCause::NoData {
        MissingCause::NotAsked
    } else {
        cause
    }
}

fn want(
    settings: &WorkloadSettings,
    places: &[Place],
    answers: &Answers,
    questions: &mut PastQuestions,
    now: Timestamp,
) -> Result<Wanted, String> {
    let policy = &settings.policy;
    for (metric, rule) in settings.metrics.iter().zip(&policy.metrics) {
        match &metric.origin {
            MetricOrigin::Prometheus { .. } | MetricOrigin::Recorded { .. } => {}
            MetricOrigin::Scrape { .. } | MetricOrigin::Resource { .. } => {
                return Err(format!(
                    "{} is read from the replicas, which do not know their past",
                    rule.name
                ));
            }
        }
    }
    let needed = Memory::past_needed(policy).map_err(|inexact| inexact.to_string())?;
    if places.iter().all(|&place| answers.get(place).reading.is_err()) {
        return Err("nothing is known of its load now".to_owned());
    }
    let interval = policy.interval.get();
    let before = |now| {
        Moments::before(now, needed, interval).ok_or_else(|| {
            let most = Moments::MOST;
            format!("its windows hold more than {most} evaluations")
        })
    };
    let places = settings.metrics.iter().map(|metric| {
        let Some((source, query)) = question(&metric.origin, &[]) else {
            return Ok(Place::NotAsked);
        };
        let moments = before(answers.time_of(&source).unwrap_or(now))?;
        Ok(questions.place((source, moments), query))
    });
    let places = places.collect::<Result<_, String>>()?;
    let moments = before(now)?;
    if a_schedule_raised(settings, moments, now) {
        return Err("a schedule may have raised the count in that time".to_owned());
    }
    Ok(Wanted::Asked { moments, places })
}

/// Whether a schedule's floor began within the moments that is no longer in force: after such a rise the count does not
/// fall for a window.
fn a_schedule_raised(settings: &WorkloadSettings, moments: Moments, now: Timestamp) -> bool {
    let least = |at| {
        let active = settings
            .schedules
            .iter()
            .filter_map(|schedule| schedule.in_force(at));
        let mut bounds = ActiveBounds::default();
        for in_force in active {
            bounds.add(&in_force.bounds);
        }
        bounds.over(settings.policy.bounds).min()
    };
    let mut before = least(moments.first());
    moments.iter().any(|moment| {
        let then = least(moment);
        let rose = then > std::mem::replace(&mut before, then);
        rose && then > least(now)
    })
}
