//! The lines of what stands in the way of a count: what it is, and what would let the count through.

use std::{fmt, time::Duration};

use super::{Step, bound_says};
use crate::{
    Asks, Bound, BoundSource, Direction, End, Hold, HoldSource, MetricNeed, NeededValues, Observation,
    Obstacle, Proposal, Replicas, Terms, WhyNot,
    hold::{LEAVE_REQUESTS, ONE_HEADROOM},
    step::{why_not::Side, words::Span},
};

/// A value below it is shown as zero.
const NOTHING: f64 = 1e-6;

impl fmt::Display for WhyNot<'_> {
    /// What there is to say of it, in one sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let want = self.want;
        match (self.is_decided(), self.in_the_way.len()) {
            (true, _) => write!(f, "{want} is what was decided"),
            (false, 1) => write!(f, "this stands in the way of {want}"),
            (false, _) => write!(f, "these stand in the way of {want}, the first one first"),
        }
    }
}

impl fmt::Display for Obstacle<'_> {
    /// What stands in the way, as its step says it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load { step, .. } | Self::Step { step, .. } => step.fmt(f),
            Self::Bound { bound, replicas, by } => f.write_str(&bound_says(*bound, *replicas, *by, false)),
        }
    }
}

impl WhyNot<'_> {
    /// What would let the count through `obstacle`, which is one of these: a line for each thing that has to be, of the
    /// load's a line for each metric.
    #[must_use]
    pub fn needs(&self, obstacle: &Obstacle<'_>) -> Vec<String> {
        let want = self.want;
        match obstacle {
            Obstacle::Load { metrics, .. } if metrics.is_empty() => {
                vec![format!("no metric would ask for {want}, whatever its value")]
            }
            Obstacle::Load { metrics, .. } => {
                let which = match self.side() {
                    Side::More => "one of these is",
                    Side::Fewer => "all of these are",
                };
                let several = (metrics.len() > 1).then(|| format!("lets {want} through once {which} so:"));
                let each = metrics.iter().map(|need| self.line(need));
                several.into_iter().chain(each).collect()
            }
            Obstacle::Step {
                step, end, metric, ..
            } => {
                let when = match end {
                    End::After(Duration::ZERO) => "in the next pass, if the load asks for it then".to_owned(),
                    End::After(after) => {
                        let long = if matches!(step, Step::Stabilized { .. } | Step::KeptFromZero { .. }) {
                            "until then"
                        } else {
                            "then"
                        };
                        format!(
                            "after {}, if the load asks for it {long}",
                            in_whole_seconds(*after)
                        )
                    }
                    End::NotBefore(Duration::ZERO) => "in the next pass at the earliest".to_owned(),
                    End::NotBefore(after) => format!("after {} at the earliest", in_whole_seconds(*after)),
                    End::Open => format!("once {}", once(step)),
                };
                let line = format!("lets {want} through {when}");
                std::iter::once(line)
                    .chain(metric.as_ref().map(|need| self.line(need)))
                    .collect()
            }
            Obstacle::Bound { bound, by, .. } => {
                vec![format!("lets {want} through once {}", once_moved(*bound, *by))]
            }
        }
    }

    /// What one metric would have to be.
    fn line(&self, need: &MetricNeed<'_>) -> String {
        let MetricNeed {
            metric,
            seen,
            terms,
            asks_for,
            ..
        } = *need;
        let is = terms.observed(seen);
        let lasting = need.lasting(self.side());
        let ready = if terms.assumes_ready() {
            " if every replica is ready"
        } else {
            ""
        };
        let Some(values) = need.values else {
            let or = match self.side() {
                Side::More => "or more",
                Side::Fewer => "or fewer",
            };
            let current = terms.current;
            return format!("{metric} asks for {asks_for} {or} at no value, with {current} replicas there");
        };
        let count = match values.asks {
            Asks::Exactly => asks_for.to_string(),
            Asks::More => format!("{asks_for} or more"),
            Asks::Fewer => format!("{asks_for} or fewer"),
            Asks::Nothing => "nothing".to_owned(),
        };
        let between = between(terms, values);
        format!("{metric} would ask for {count} {between}{ready}; it is {is}{lasting}")
    }
}

impl MetricNeed<'_> {
    /// What else is needed of a value that is as it would have to be.
    fn lasting(&self, side: Side) -> String {
        let comes_as_far = |replicas: Replicas| match side {
            Side::More => replicas >= self.asks_for,
            Side::Fewer => replicas <= self.asks_for,
        };
        let asks_already = matches!(self.proposal, Proposal::Replicas(replicas) if comes_as_far(replicas));
        match self.pending {
            Some(pending) if !asks_already && comes_as_far(pending.replicas) => {
                if pending.after.is_zero() {
                    ", and has to be so in its next sample too".to_owned()
                } else {
                    format!(
                        ", and has to stay so for another {}",
                        in_whole_seconds(pending.after)
                    )
                }
            }
            Some(_) | None => String::new(),
        }
    }
}

/// The span in whole seconds, and rather too long than too short.
fn in_whole_seconds(span: Duration) -> Span {
    let part = u64::from(span.subsec_nanos() > 0);
    Span(Duration::from_secs(span.as_secs().saturating_add(part)))
}

/// The values, said so that what is rounded lies between them.
fn between(terms: &Terms, values: NeededValues) -> String {
    let from = (values.from > 0.0).then(|| {
        // What the arithmetic forgives is nothing to a person.
        let is_nothing = values.from < NOTHING;
        let low = terms.quantity(if is_nothing { 0.0 } else { values.from });
        (low, is_nothing || low.is_said_as_less())
    });
    let to = values.to.map(|most| {
        let high = terms.quantity(if most < NOTHING { 0.0 } else { most });
        (high, high.is_said_as_more())
    });
    match (from, to) {
        (Some((low, true)), Some((high, true))) => format!("above {low} and below {high}"),
        (Some((low, true)), Some((high, false))) => format!("above {low} and up to {high}"),
        (Some((low, false)), Some((high, true))) => format!("from {low} to below {high}"),
        (Some((low, false)), Some((high, false))) => format!("from {low} to {high}"),
        (Some((low, true)), None) => format!("above {low}"),
        (Some((low, false)), None) => format!("from {low} up"),
        (None, Some((high, true))) => format!("below {high}"),
        (None, Some((high, false))) => format!("up to {high}"),
        (None, None) => "at any value".to_owned(),
    }
}

/// What has to be before a step that does not end by waiting lets the count through.
fn once(step: &Step) -> String {
    match step {
        Step::Recommended { metric, .. } => format!("{metric} asks for it"),
        Step::Combined { .. } => "the load asks for it".to_owned(),
        Step::KeptForUnknown { metric, seen, .. } => match seen {
            Observation::Fresh(_) | Observation::Partial(_) => format!("{metric} is measured in full"),
            Observation::Stale { .. } | Observation::Missing { .. } => format!("{metric} is known again"),
        },
        Step::KeptForGroup { metric, .. } => format!("{metric} asks for less"),
        Step::Stabilized { .. } => "the load has asked for it for long enough".to_owned(),
        Step::Limited { direction, limit, .. } => match limit {
            None => format!("scaling {direction} is switched on"),
            Some(_) => "the limit is widened".to_owned(),
        },
        Step::LimitedAsHpa { direction, .. } => match direction {
            Direction::Up => "the limit of scaling up is widened".to_owned(),
            Direction::Down => "the limit of scaling down is widened".to_owned(),
        },
        Step::SelectorRefused { .. } => "the target has a selector of its own that can be read".to_owned(),
        Step::HeldNotReady { .. } => "the replicas that are starting are ready".to_owned(),
        Step::Held { hold, .. } => once_over(hold),
        Step::Restored { by, .. } | Step::RestoreDelayed { by, .. } => {
            format!("{by} leaves the count alone")
        }
        Step::HeldFlapping { .. } => "the count has turned around less often".to_owned(),
        Step::HeldClock { .. } => "the clock is right".to_owned(),
        Step::FellBack { metric, .. } => match metric {
            Some(metric) => format!("{metric} has been known again for long enough"),
            None => "the load has been known again for long enough".to_owned(),
        },
        Step::KeptAfterFallback { .. } => "the load has been known for long enough".to_owned(),
        Step::Activated { metric, .. } => format!("{metric} shows no load"),
        Step::KeptFromZero { .. } => "there has been no load for long enough".to_owned(),
        Step::Bounded {
            wanted, bounded, by, ..
        } => once_moved(Bound::of(*wanted, *bounded), by.as_ref()),
        Step::Forbidden { hold, .. } => match hold {
            Some(hold) => once_over(hold),
            None => "somebody sets another count".to_owned(),
        },
    }
}

/// What has to be before a hold that does not end by waiting is over.
fn once_over(hold: &Hold) -> String {
    match hold {
        Hold::Paused { .. } => "somebody resumes scaling".to_owned(),
        Hold::SecondScaler { name, .. } => format!("{name} or headroom is the only one that scales it"),
        Hold::SecondHeadroom { by } => {
            format!("somebody else than {by} sets the count: {ONE_HEADROOM}")
        }
        Hold::RequestsSet { by, resources, .. } => {
            format!("{by} no longer sets the requests of {resources}: {LEAVE_REQUESTS}")
        }
        Hold::BeingDeleted => "there is a target that is not being deleted".to_owned(),
        Hold::FailingToStart { .. } => "replicas start and stay up".to_owned(),
        Hold::ScaleDownHeld { by, .. } => match by {
            HoldSource::Override(_) => format!("{by} is ended"),
            HoldSource::Query(query) => format!("the query `{query}` has no value"),
            HoldSource::UnknownQuery { query, .. } => {
                format!("it is known that the query `{query}` has no value")
            }
        },
        Hold::RollingOut { .. } => "the rollout is done".to_owned(),
        Hold::Contested { by: Some(by), .. } => format!("{by} leaves the count alone"),
        Hold::Contested { by: None, .. } => "the count is left alone".to_owned(),
        Hold::FleetBrake { .. } => "the brake lets go".to_owned(),
    }
}

/// What has to be before a bound lets a count through that lies beyond it.
fn once_moved(bound: Bound, by: Option<&BoundSource>) -> String {
    match (by, bound) {
        (Some(by), _) => format!("{by} has ended"),
        (None, Bound::Maximum) => "the policy's maximum is raised".to_owned(),
        (None, Bound::Minimum) => "the policy's minimum is lowered".to_owned(),
    }
}
