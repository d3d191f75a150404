//! Why a decision is not another count: what of the recorded steps stands in its way, and what each of that would need.
//!
//! Walks the steps in the order in which they were recorded, and looks where the number stands after each. Nothing is
//! decided anew: what a stage would have said of another number is known only where it said something.

use std::time::Duration;

use super::{End, Explanation, Pending, Proposal, Step};
use crate::{BoundSource, BoundsInForce, Decision, MetricName, Observation, Replicas, Terms, Values, Votes};

/// Why a decision is not a count that somebody expected.
#[derive(Clone, Debug, PartialEq)]
pub struct WhyNot<'a> {
    /// The count that is asked about.
    pub want: Replicas,
    /// The count that was decided.
    pub decided: Replicas,
    /// What stands in the way of it, in the order in which it does. Empty exactly where it was decided.
    pub in_the_way: Vec<Obstacle<'a>>,
}

/// One thing that stands in the way of a count.
#[derive(Clone, Debug, PartialEq)]
pub enum Obstacle<'a> {
    /// The load asks for another count.
    Load {
        /// Where among the steps that was settled, from 0 up.
        index: usize,
        /// The step that settled it.
        step: &'a Step,
        /// The metrics on which it depends. To get more replicas one of them is enough; to get fewer, it takes all.
        metrics: Vec<MetricNeed<'a>>,
    },
    /// A step keeps the count from it.
    Step {
        /// Where it stands among the steps, from 0 up.
        index: usize,
        /// The step.
        step: &'a Step,
        /// When it lets the count through.
        end: End,
        /// What a metric would have to be for that; `None` where it is not about a metric.
        metric: Option<MetricNeed<'a>>,
    },
    /// It lies outside the bounds, which no step had to say.
    Bound {
        /// Which of the bounds.
        bound: Bound,
        /// The number of it.
        replicas: Replicas,
        /// What set it; `None`: the policy itself.
        by: Option<&'a BoundSource>,
    },
}

/// One of two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// At least so many.
    Minimum,
    /// At most so many.
    Maximum,
}

impl Bound {
    /// The one that moved a count from `wanted` to `bounded`.
    pub(super) fn of(wanted: Replicas, bounded: Replicas) -> Self {
        if wanted > bounded {
            Self::Maximum
        } else {
            Self::Minimum
        }
    }
}

/// What a metric would have to be, so that it asks for a count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MetricNeed<'a> {
    /// Which metric.
    pub metric: &'a MetricName,
    /// What was known of it.
    pub seen: &'a Observation,
    /// On what terms it asks.
    pub terms: &'a Terms,
    /// What it asked for.
    pub proposal: Proposal,
    /// The step that its rule waited for.
    pub pending: Option<Pending>,
    /// The count it would have to ask for.
    pub asks_for: Replicas,
    /// The values for which it does, or asks for what is as good; `None` where no value does.
    pub values: Option<NeededValues>,
}

/// The values for which a metric asks for what it would have to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NeededValues {
    /// What it asks for then.
    pub asks: Asks,
    /// The least of them.
    pub from: f64,
    /// The most of them; `None`: without end.
    pub to: Option<f64>,
}

/// What a metric asks for, against a count that somebody expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// That count.
    Exactly,
    /// No value asks for that count, and these ask for more.
    More,
    /// No value asks for that count, and these ask for fewer.
    Fewer,
    /// No value asks for that count or fewer, and these ask for nothing.
    Nothing,
}

/// Which way a count is from the one that was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// More were expected.
    More,
    /// Fewer were expected.
    Fewer,
}

impl Side {
    fn of(want: Replicas, decided: Replicas) -> Self {
        if want > decided { Self::More } else { Self::Fewer }
    }

    /// Whether `number` does not come as far as `want`.
    fn falls_short(self, number: Replicas, want: Replicas) -> bool {
        match self {
            Self::More => number < want,
            Self::Fewer => number > want,
        }
    }

    /// Whether a number that becomes another one moves away.
    fn moves_away(self, from: Replicas, to: Replicas) -> bool {
        match self {
            Self::More => to < from,
            Self::Fewer => to > from,
        }
    }
}

impl Explanation {
    /// Why `decision`, which these steps led to, is not `want`. Without `bounds`, those in force at the decision, a count
    /// outside them is told only where a step says so.
    #[must_use]
    pub fn why_not<'a>(
        &'a self,
        decision: &Decision,
        want: Replicas,
        bounds: Option<BoundsInForce<'a>>,
    ) -> WhyNot<'a> {
        let decided = decision.desired();
        let mut in_the_way = Vec::new();
        if want != decided {
            let walk = Walk {
                steps: &self.0,
                want,
                side: Side::of(want, decided),
            };
            in_the_way = walk.from(decision.current());
            in_the_way.extend(bounds.and_then(|bounds| outside(bounds, want, &in_the_way)));
        }
        WhyNot {
            want,
            decided,
            in_the_way,
        }
    }
}

impl WhyNot<'_> {
    /// Whether it was decided.
    #[must_use]
    pub fn is_decided(&self) -> bool {
        self.want == self.decided
    }

    pub(super) fn side(&self) -> Side {
        Side::of(self.want, self.decided)
    }
}

impl Obstacle<'_> {
    /// Where among the recorded steps it stands, from 0 up; `None` where no step had to say it.
    #[must_use]
    pub const fn index(&self) -> Option<usize> {
        match self {
            Self::Load { index, .. } | Self::Step { index, .. } => Some(*index),
            Self::Bound { .. } => None,
        }
    }

    /// Whether it stands in the way wherever the number stands.
    const fn stays(&self) -> bool {
        match self {
            Self::Step { step, .. } => forbids(step),
            Self::Load { .. } | Self::Bound { .. } => false,
        }
    }
}

/// Whether no number gets past a step.
const fn forbids(step: &Step) -> bool {
    matches!(step, Step::SelectorRefused { .. } | Step::Forbidden { .. })
}

/// The steps on the way to a count that was not decided.
#[derive(Clone, Copy, Debug)]
struct Walk<'a> {
    steps: &'a [Step],
    want: Replicas,
    side: Side,
}

impl<'a> Walk<'a> {
    /// What stands in the way, for a number that begins at `current`.
    fn from(self, current: Replicas) -> Vec<Obstacle<'a>> {
        let mut found: Vec<Obstacle<'a>> = Vec::new();
        let mut number = current;
        for (index, step) in self.steps.iter().enumerate() {
            let recommended = if let Step::Combined { replicas, .. } = step {
                Some((number, *replicas))
            } else {
                None
            };
            let (from, to) = recommended.or(step.change()).unwrap_or((number, number));
            let falls_short = self.side.falls_short(to, self.want);
            if !falls_short {
                // It is as far as it has to be, whatever kept it back until here.
                found.retain(Obstacle::stays);
            }
            if recommended.is_some() && falls_short {
                found.push(self.load(index, step));
            } else if recommended.is_none() && falls_short && self.side.moves_away(from, to) || forbids(step)
            {
                found.push(self.step(index, step));
            }
            number = to;
        }
        if found.is_empty() {
            found.extend(self.last_move());
        }
        found
    }

    /// Where no metric was looked at, because the count had to move first: the step that moved it.
    fn last_move(self) -> Option<Obstacle<'a>> {
        let moved = |step: &Step| step.change().is_some_and(|(from, to)| from != to);
        let index = self.steps.iter().rposition(moved)?;
        Some(Obstacle::Step {
            index,
            step: self.steps.get(index)?,
            end: End::NotBefore(Duration::ZERO),
            metric: None,
        })
    }

    fn step(self, index: usize, step: &'a Step) -> Obstacle<'a> {
        let need = |name: &MetricName| self.needs().find(|need| need.metric == name);
        let metric = if let Step::KeptForUnknown { metric, .. } = step {
            need(metric)
        } else if let Step::KeptForGroup { metric, .. } = step {
            need(metric).map(|need| match need.terms.votes {
                Votes::UpOnly => need.agreeing(),
                Votes::UpAndDown => need,
            })
        } else {
            None
        };
        Obstacle::Step {
            index,
            step,
            end: step.end(self.want).unwrap_or(End::Open),
            metric,
        }
    }

    fn load(self, index: usize, step: &'a Step) -> Obstacle<'a> {
        let nobody_asks = matches!(step, Step::Combined { by: None, .. });
        // One that never asks for fewer leaves the count as it is.
        let lowers = |need: &MetricNeed<'_>| need.values.is_some_and(|values| values.asks != Asks::Nothing);
        let metrics = self.needs().filter(|need| match (self.side, need.proposal) {
            (Side::More, _) | (Side::Fewer, Proposal::Blocks) => true,
            (Side::Fewer, Proposal::Replicas(replicas)) => replicas > self.want,
            (Side::Fewer, Proposal::NoVote | Proposal::Ignored) => nobody_asks && lowers(need),
        });
        Obstacle::Load {
            index,
            step,
            metrics: metrics.collect(),
        }
    }

    /// What each metric would have to be to ask for the count.
    fn needs(self) -> impl Iterator<Item = MetricNeed<'a>> {
        self.steps.iter().filter_map(move |step| {
            let Step::Recommended {
                metric,
                seen,
                terms,
                pending,
                proposal,
            } = step
            else {
                return None;
            };
            Some(MetricNeed {
                metric,
                seen,
                terms,
                proposal: *proposal,
                pending: *pending,
                asks_for: self.want,
                values: NeededValues::of(terms, self.want, self.side),
            })
        })
    }
}

impl MetricNeed<'_> {
    /// What it would have to be to do with fewer than there are. It sets no lower count, and only has to agree to one.
    fn agreeing(self) -> Self {
        let terms = Terms {
            votes: Votes::UpAndDown,
            ..*self.terms
        };
        let asks_for = Replicas::new(terms.current.get().saturating_sub(1));
        Self {
            asks_for,
            values: NeededValues::of(&terms, asks_for, Side::Fewer),
            ..self
        }
    }
}

impl NeededValues {
    /// Those for which a metric on these terms asks for `count`, or else for something as good on that side of it.
    fn of(terms: &Terms, count: Replicas, side: Side) -> Option<Self> {
        let Values { least, most } = terms.values_for(count);
        let without_end = |value: f64| (value < f64::MAX).then_some(value);
        let (asks, from, to) = match (side, least, most) {
            (_, Some(least), Some(most)) if least <= most => (Asks::Exactly, least, without_end(most)),
            (Side::More, Some(least), _) => (Asks::More, least, None),
            (Side::Fewer, _, Some(most)) => {
                let asks = if terms.asks_for(most).is_some() {
                    Asks::Fewer
                } else {
                    Asks::Nothing
                };
                (asks, 0.0, without_end(most))
            }
            (Side::More, None, _) | (Side::Fewer, _, None) => return None,
        };
        Some(Self { asks, from, to })
    }
}

/// The bound that `want` lies beyond, unless a step says it already.
fn outside<'a>(bounds: BoundsInForce<'a>, want: Replicas, found: &[Obstacle<'_>]) -> Option<Obstacle<'a>> {
    let is_told = |obstacle: &Obstacle<'_>| {
        matches!(
            obstacle,
            Obstacle::Step {
                step: Step::Bounded { .. },
                ..
            }
        )
    };
    if bounds.allow(want) || found.iter().any(is_told) {
        return None;
    }
    let holds = bounds.bounds();
    Some(if want > holds.max() {
        Obstacle::Bound {
            bound: Bound::Maximum,
            replicas: holds.max(),
            by: bounds.active.maximum_by(bounds.own.bounds),
        }
    } else {
        Obstacle::Bound {
            bound: Bound::Minimum,
            replicas: holds.min(),
            by: bounds.active.minimum_by(),
        }
    })
}
