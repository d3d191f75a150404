//! Why a decision is not another count, as an object.

use headroom_policy_engine::{Asks, Bound, MetricNeed, Obstacle, Timestamp, WhyNot};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    SourceObject,
    observation::ObservationObject,
    step::{EndObject, PendingObject, ProposalObject},
};

/// Why a decision is not a count that somebody expected.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Want")]
pub(super) struct WantObject<'a> {
    /// The count that was expected.
    replicas: u32,
    /// Whether it was decided.
    is_decided: bool,
    /// What stands in the way of it, the first one first. Empty exactly where it was decided.
    in_the_way: Vec<ObstacleObject<'a>>,
}

/// One thing that stands in the way of a count.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Obstacle")]
struct ObstacleObject<'a> {
    #[serde(flatten)]
    kind: Kind<'a>,
    /// What it is, in a line for people.
    text: String,
    /// What would let the count through, in lines for people.
    needs: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schemars(rename = "ObstacleKind")]
enum Kind<'a> {
    /// The load asks for another count.
    Load {
        /// The step that settled that: its place in `steps`, from 1 up.
        step: usize,
        /// The metrics on which it depends: to get more replicas one of them is enough, to get fewer it takes all.
        metrics: Vec<NeedObject<'a>>,
    },
    /// A step keeps the count from it.
    Step {
        /// Its place in `steps`, from 1 up.
        step: usize,
        /// When it lets the count through.
        end: EndObject,
        /// The metric that would have to be otherwise for that; empty where it is not about one.
        metrics: Vec<NeedObject<'a>>,
    },
    /// It lies outside the bounds, which no step had to say.
    Bound {
        bound: BoundWord,
        /// The number of it.
        bound_replicas: u32,
        /// What set it; `null`: the policy itself.
        by: Option<SourceObject<'a>>,
    },
}

/// One of two bounds.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Bound")]
enum BoundWord {
    Minimum,
    Maximum,
}

/// What a metric would have to be, so that it asks for a count.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "MetricNeed")]
struct NeedObject<'a> {
    metric: &'a str,
    seen: ObservationObject,
    /// What it asked for.
    proposal: ProposalObject,
    /// The step that its rule waited for.
    pending: Option<PendingObject>,
    /// The count it would have to ask for.
    replicas: u32,
    /// The values for which it does, or asks for what is as good; `null` where no value does.
    values: Option<ValuesObject>,
    /// Whether that is said as if every replica were ready.
    assumes_ready: bool,
}

/// The values for which a metric asks for what it would have to.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "NeededValues")]
struct ValuesObject {
    asks: AsksWord,
    /// The least of them, in the metric's own unit.
    from: f64,
    /// The most of them; `null`: without end.
    to: Option<f64>,
}

/// What a metric asks for at these values, against the count.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Asks")]
enum AsksWord {
    /// That count.
    Exactly,
    /// More: no value asks for that count.
    More,
    /// Fewer: no value asks for that count.
    Fewer,
    /// Nothing: no value asks for that count or fewer.
    Nothing,
}

impl<'a> WantObject<'a> {
    /// Of an answer about a decision that was made at `at`.
    pub(super) fn new(answer: &WhyNot<'a>, at: Timestamp) -> Self {
        let obstacle = |obstacle: &Obstacle<'a>| ObstacleObject {
            kind: Kind::new(obstacle, at),
            text: obstacle.to_string(),
            needs: answer.needs(obstacle),
        };
        Self {
            replicas: answer.want.get(),
            is_decided: answer.is_decided(),
            in_the_way: answer.in_the_way.iter().map(obstacle).collect(),
        }
    }
}

impl<'a> Kind<'a> {
    fn new(obstacle: &Obstacle<'a>, at: Timestamp) -> Self {
        match obstacle {
            Obstacle::Load { index, metrics, .. } => Self::Load {
                step: index + 1,
                metrics: metrics.iter().map(|need| NeedObject::new(need, at)).collect(),
            },
            Obstacle::Step {
                index, end, metric, ..
            } => Self::Step {
                step: index + 1,
                end: (*end).into(),
                metrics: metric.iter().map(|need| NeedObject::new(need, at)).collect(),
            },
            Obstacle::Bound { bound, replicas, by } => Self::Bound {
                bound: match bound {
                    Bound::Minimum => BoundWord::Minimum,
                    Bound::Maximum => BoundWord::Maximum,
                },
                bound_replicas: replicas.get(),
                by: by.map(Into::into),
            },
        }
    }
}

impl<'a> NeedObject<'a> {
    fn new(need: &MetricNeed<'a>, at: Timestamp) -> Self {
        Self {
            metric: need.metric.as_str(),
            seen: ObservationObject::new(need.seen, at),
            proposal: need.proposal.into(),
            pending: need.pending.map(Into::into),
            replicas: need.asks_for.get(),
            values: need.values.map(|values| ValuesObject {
                asks: match values.asks {
                    Asks::Exactly => AsksWord::Exactly,
                    Asks::More => AsksWord::More,
                    Asks::Fewer => AsksWord::Fewer,
                    Asks::Nothing => AsksWord::Nothing,
                },
                from: values.from,
                to: values.to,
            }),
            assumes_ready: need.terms.assumes_ready(),
        }
    }
}
