//! The steps of a decision as objects, each with its own fields.

use headroom_policy_engine::{
    ChangeAmount, ChangeLimit, Direction, Easing, End, FallbackAction, Pending, Proposal, SelectorState,
    Stabilizing, Step, Timestamp,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    SourceObject,
    observation::{ObservationObject, TermsObject},
    schema, seconds,
    source::HoldObject,
};

/// One stage that had a say, in the order the stages ran.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Step")]
pub(super) struct StepObject<'a> {
    #[serde(flatten)]
    step: Kind<'a>,
    /// The step in a line for people.
    text: String,
}

/// The kinds of steps. `wanted` is the count that came in; the field after it is the one that went on.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "step", rename_all = "snake_case")]
#[schemars(rename = "StepKind")]
enum Kind<'a> {
    /// One metric proposed.
    Recommended {
        metric: &'a str,
        seen: ObservationObject,
        terms: TermsObject,
        proposal: ProposalObject,
        /// The step that its rule waits for; `null` where it waits for none.
        pending: Option<PendingObject>,
    },
    /// The proposals became one recommendation.
    Combined {
        replicas: u32,
        /// The metric with the largest proposal; `null` when none voted.
        by: Option<&'a str>,
    },
    /// Less would do, but a metric is unknown or only partly measured.
    KeptForUnknown {
        wanted: u32,
        kept: u32,
        metric: &'a str,
        seen: ObservationObject,
    },
    /// Less would do, but not for every metric of a group.
    KeptForGroup {
        wanted: u32,
        kept: u32,
        group: &'a str,
        metric: &'a str,
    },
    /// Recent recommendations hold the change back.
    Stabilized {
        wanted: u32,
        kept: u32,
        #[schemars(schema_with = "schema::code::<Direction>")]
        direction: Direction,
        window_seconds: f64,
        by: StabilizingObject,
    },
    /// A change limit allows only part of the change.
    Limited {
        wanted: u32,
        allowed: u32,
        #[schemars(schema_with = "schema::code::<Direction>")]
        direction: Direction,
        /// The limit; `null` when the direction is switched off.
        limit: Option<LimitObject>,
        /// When there is room for more; `null`: not by waiting.
        room_after_seconds: Option<f64>,
    },
    /// The HPA's limit of one step allows only part of the change.
    LimitedAsHpa {
        wanted: u32,
        allowed: u32,
        #[schemars(schema_with = "schema::code::<Direction>")]
        direction: Direction,
        /// When there is room for more, 0: in the next round; `null`: not by waiting.
        room_after_seconds: Option<f64>,
    },
    /// The target's selector cannot be used, so no metric is looked at.
    SelectorRefused {
        kept: u32,
        #[schemars(schema_with = "schema::code::<SelectorState>")]
        selector: SelectorState,
    },
    /// A replica is stuck in starting.
    HeldNotReady {
        wanted: u32,
        kept: u32,
        ready: u32,
        starting_for_seconds: f64,
    },
    /// A hold of one direction: the count does not move that way.
    Held {
        wanted: u32,
        kept: u32,
        hold: HoldObject<'a>,
        /// `null`: not by waiting.
        ends_after_seconds: Option<f64>,
    },
    /// The count was reversed too often within an hour.
    HeldFlapping {
        wanted: u32,
        kept: u32,
        reversals: u32,
        allowed_reversals: u32,
        ends_after_seconds: f64,
    },
    /// A deploy set the count back, so it is as before at once.
    Restored {
        wanted: u32,
        raised: u32,
        /// Who deployed.
        by: &'a str,
    },
    /// A deploy set the count back once more in a fight, in which it is restored once a minute at most.
    RestoreDelayed {
        wanted: u32,
        /// The count before the deploy.
        count: u32,
        /// Who deployed.
        by: &'a str,
        after_seconds: f64,
    },
    /// The clock went back.
    HeldClock {
        wanted: u32,
        kept: u32,
        back_seconds: f64,
    },
    /// Too little was known for too long: at least the fallback.
    FellBack {
        wanted: u32,
        raised: u32,
        action: ActionWord,
        unknown_for_seconds: f64,
        /// The metric that has not been known for longest; `null` when no deciding metric is.
        metric: Option<&'a str>,
    },
    /// The load is known again after a fallback, and not yet for long enough.
    KeptAfterFallback {
        wanted: u32,
        kept: u32,
        known_for_seconds: f64,
        needed_seconds: f64,
    },
    /// The count is zero, and a metric that starts the workload shows load.
    Activated {
        wanted: u32,
        raised: u32,
        metric: &'a str,
    },
    /// Nothing is wanted, but there has not been no load for long enough.
    KeptFromZero {
        wanted: u32,
        kept: u32,
        idle_for_seconds: f64,
        needed_seconds: f64,
    },
    /// The bounds move the count.
    Bounded {
        wanted: u32,
        bounded: u32,
        min_replicas: u32,
        max_replicas: u32,
        /// What set the one that moves the count; `null`: the policy itself.
        by: Option<SourceObject<'a>>,
    },
    /// Writing is forbidden.
    Forbidden {
        /// What would have been decided.
        wanted: u32,
        kept: u32,
        /// What forbids it; `null` when a person set the workload to zero.
        hold: Option<HoldObject<'a>>,
        /// `null`: not by waiting.
        ends_after_seconds: Option<f64>,
    },
}

/// What one metric asks for.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schemars(rename = "Proposal")]
pub(super) enum ProposalObject {
    /// So many replicas.
    Replicas { replicas: u32 },
    /// Known, and without a say this time.
    NoVote,
    /// Unknown, and as the policy says without effect.
    Ignored,
    /// Unknown: no vote, and nothing scales down.
    Blocks,
}

/// A step of a step rule that is waited for.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Pending")]
pub(super) struct PendingObject {
    replicas: u32,
    /// If the breach lasts. 0 where only a new sample is waited for.
    after_seconds: f64,
}

/// What holds a change back for its window.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schemars(rename = "Stabilizing")]
enum StabilizingObject {
    /// Recommendations of the window that asked for another count.
    Recommendations {
        /// What the window allows later, soonest first, if the load asks for the same until then.
        easing: Vec<EasingObject>,
    },
    /// Too little of the window is known to judge by it.
    Gaps { known_seconds: f64, needed_seconds: f64 },
    /// A rise was written within the window.
    Raised { ago_seconds: f64 },
    /// A fall was written within the window, and somebody else has raised the count since.
    Undone { ago_seconds: f64 },
}

/// What a window allows later.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Easing")]
struct EasingObject {
    after_seconds: f64,
    replicas: u32,
}

/// How much may change within one sliding period: so many replicas, or so many percent.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Limit")]
struct LimitObject {
    /// `null` where it is a percentage.
    replicas: Option<u32>,
    /// `null` where it is a number of replicas.
    percent: Option<u32>,
    period_seconds: f64,
}

/// What a fallback does.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "FallbackAction")]
enum ActionWord {
    /// At least so many replicas.
    AtLeast,
    /// The count stays.
    Hold,
    /// At least what was recommended when enough was known for the last time.
    LastKnown,
}

/// When something lets a count through.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schemars(rename = "End")]
pub(super) enum EndObject {
    /// After so long, if the load asks for it then. 0: in the next pass.
    After { seconds: f64 },
    /// Not before so long has passed.
    NotBefore { seconds: f64 },
    /// Not by waiting.
    Open,
}

impl<'a> StepObject<'a> {
    /// Of a step of a decision that was made at `at`.
    pub(super) fn new(step: &'a Step, at: Timestamp) -> Self {
        Self {
            step: Kind::new(step, at),
            text: step.to_string(),
        }
    }
}

impl<'a> Kind<'a> {
    fn new(step: &'a Step, at: Timestamp) -> Self {
        match step {
            Step::Recommended {
                metric,
                seen,
                terms,
                pending,
                proposal,
            } => Self::Recommended {
                metric: metric.as_str(),
                seen: ObservationObject::new(seen, at),
                terms: terms.into(),
                proposal: (*proposal).into(),
                pending: pending.map(Into::into),
            },
            Step::Combined { replicas, by } => Self::Combined {
                replicas: replicas.get(),
                by: by.as_ref().map(|metric| metric.as_str()),
            },
            Step::KeptForUnknown {
                wanted,
                kept,
                metric,
                seen,
            } => Self::KeptForUnknown {
                wanted: wanted.get(),
                kept: kept.get(),
                metric: metric.as_str(),
                seen: ObservationObject::new(seen, at),
            },
            Step::KeptForGroup {
                wanted,
                kept,
                group,
                metric,
            } => Self::KeptForGroup {
                wanted: wanted.get(),
                kept: kept.get(),
                group: group.as_str(),
                metric: metric.as_str(),
            },
            Step::Stabilized {
                wanted,
                kept,
                direction,
                window,
                by,
            } => Self::Stabilized {
                wanted: wanted.get(),
                kept: kept.get(),
                direction: *direction,
                window_seconds: seconds(window.get()),
                by: by.into(),
            },
            Step::Limited {
                wanted,
                allowed,
                direction,
                limit,
                room_after,
            } => Self::Limited {
                wanted: wanted.get(),
                allowed: allowed.get(),
                direction: *direction,
                limit: limit.map(Into::into),
                room_after_seconds: room_after.map(seconds),
            },
            Step::LimitedAsHpa {
                wanted,
                allowed,
                direction,
                room_after,
            } => Self::LimitedAsHpa {
                wanted: wanted.get(),
                allowed: allowed.get(),
                direction: *direction,
                room_after_seconds: room_after.map(seconds),
            },
            Step::SelectorRefused { kept, selector } => Self::SelectorRefused {
                kept: kept.get(),
                selector: *selector,
            },
            Step::HeldNotReady {
                wanted,
                kept,
                ready,
                starting_for,
            } => Self::HeldNotReady {
                wanted: wanted.get(),
                kept: kept.get(),
                ready: ready.get(),
                starting_for_seconds: seconds(*starting_for),
            },
            Step::Held {
                wanted,
                kept,
                hold,
                ends_after,
            } => Self::Held {
                wanted: wanted.get(),
                kept: kept.get(),
                hold: hold.into(),
                ends_after_seconds: ends_after.map(seconds),
            },
            Step::HeldFlapping {
                wanted,
                kept,
                reversals,
                allowed,
                ends_after,
            } => Self::HeldFlapping {
                wanted: wanted.get(),
                kept: kept.get(),
                reversals: *reversals,
                allowed_reversals: *allowed,
                ends_after_seconds: seconds(*ends_after),
            },
            Step::Restored { wanted, raised, by } => Self::Restored {
                wanted: wanted.get(),
                raised: raised.get(),
                by,
            },
            Step::RestoreDelayed {
                wanted,
                count,
                by,
                after,
            } => Self::RestoreDelayed {
                wanted: wanted.get(),
                count: count.get(),
                by,
                after_seconds: seconds(*after),
            },
            Step::HeldClock { wanted, kept, back } => Self::HeldClock {
                wanted: wanted.get(),
                kept: kept.get(),
                back_seconds: seconds(*back),
            },
            Step::FellBack {
                wanted,
                raised,
                action,
                unknown_for,
                metric,
            } => Self::FellBack {
                wanted: wanted.get(),
                raised: raised.get(),
                action: (*action).into(),
                unknown_for_seconds: seconds(*unknown_for),
                metric: metric.as_ref().map(|metric| metric.as_str()),
            },
            Step::KeptAfterFallback {
                wanted,
                kept,
                known_for,
                after,
            } => Self::KeptAfterFallback {
                wanted: wanted.get(),
                kept: kept.get(),
                known_for_seconds: seconds(*known_for),
                needed_seconds: seconds(*after),
            },
            Step::Activated {
                wanted,
                raised,
                metric,
            } => Self::Activated {
                wanted: wanted.get(),
                raised: raised.get(),
                metric: metric.as_str(),
            },
            Step::KeptFromZero {
                wanted,
                kept,
                idle_for,
                idle,
            } => Self::KeptFromZero {
                wanted: wanted.get(),
                kept: kept.get(),
                idle_for_seconds: seconds(*idle_for),
                needed_seconds: seconds(*idle),
            },
            Step::Bounded {
                wanted,
                bounded,
                bounds,
                by,
            } => Self::Bounded {
                wanted: wanted.get(),
                bounded: bounded.get(),
                min_replicas: bounds.min().get(),
                max_replicas: bounds.max().get(),
                by: by.as_ref().map(Into::into),
            },
            Step::Forbidden {
                wanted,
                kept,
                hold,
                ends_after,
            } => Self::Forbidden {
                wanted: wanted.get(),
                kept: kept.get(),
                hold: hold.as_ref().map(Into::into),
                ends_after_seconds: ends_after.map(seconds),
            },
        }
    }
}

impl From<Proposal> for ProposalObject {
    fn from(proposal: Proposal) -> Self {
        match proposal {
            Proposal::Replicas(replicas) => Self::Replicas {
                replicas: replicas.get(),
            },
            Proposal::NoVote => Self::NoVote,
            Proposal::Ignored => Self::Ignored,
            Proposal::Blocks => Self::Blocks,
        }
    }
}

impl From<Pending> for PendingObject {
    fn from(pending: Pending) -> Self {
        Self {
            replicas: pending.replicas.get(),
            after_seconds: seconds(pending.after),
        }
    }
}

impl From<&Stabilizing> for StabilizingObject {
    fn from(by: &Stabilizing) -> Self {
        match by {
            Stabilizing::Recommendations { easing } => Self::Recommendations {
                easing: easing.iter().copied().map(Into::into).collect(),
            },
            Stabilizing::Gaps { known, needed } => Self::Gaps {
                known_seconds: seconds(*known),
                needed_seconds: seconds(*needed),
            },
            Stabilizing::Raised { ago } => Self::Raised {
                ago_seconds: seconds(*ago),
            },
            Stabilizing::Undone { ago } => Self::Undone {
                ago_seconds: seconds(*ago),
            },
        }
    }
}

impl From<Easing> for EasingObject {
    fn from(level: Easing) -> Self {
        Self {
            after_seconds: seconds(level.after),
            replicas: level.replicas.get(),
        }
    }
}

impl From<ChangeLimit> for LimitObject {
    fn from(limit: ChangeLimit) -> Self {
        let (replicas, percent) = match limit.amount() {
            ChangeAmount::Replicas(replicas) => (Some(replicas), None),
            ChangeAmount::Percent(percent) => (None, Some(percent)),
        };
        Self {
            replicas,
            percent,
            period_seconds: seconds(limit.period()),
        }
    }
}

impl From<FallbackAction> for ActionWord {
    fn from(action: FallbackAction) -> Self {
        match action {
            FallbackAction::AtLeast(_) => Self::AtLeast,
            FallbackAction::Hold => Self::Hold,
            FallbackAction::LastKnown => Self::LastKnown,
        }
    }
}

impl From<End> for EndObject {
    fn from(end: End) -> Self {
        match end {
            End::After(after) => Self::After {
                seconds: seconds(after),
            },
            End::NotBefore(after) => Self::NotBefore {
                seconds: seconds(after),
            },
            End::Open => Self::Open,
        }
    }
}
