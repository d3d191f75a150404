//! How a decision came about: one typed step for each stage that had a say, in the order the stages ran.
//!
//! Words are made once, in `Display`. Whether steps are recorded is chosen by type, so a caller who throws them
//! away pays nothing.

mod ends;
mod lines;
mod why_not;
mod words;

use std::{sync::Arc, time::Duration};

pub use self::words::{Number, Span};
pub use self::{
    ends::End,
    why_not::{Asks, Bound, MetricNeed, NeededValues, Obstacle, WhyNot},
};
use crate::{
    BoundSource, ChangeLimit, Direction, FallbackAction, GroupName, Hold, MetricName, Observation,
    ReplicaBounds, Replicas, SelectorState, StabilizationWindow, Terms,
};

/// Takes the steps of one evaluation.
pub trait StepSink {
    /// Takes the next step. Not called for its value where nobody wants it.
    fn record(&mut self, step: impl FnOnce() -> Step);
}

/// Throws the steps away without making them.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSteps;

impl StepSink for NoSteps {
    fn record(&mut self, _step: impl FnOnce() -> Step) {}
}

/// The steps of one evaluation, in order.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Explanation(pub Vec<Step>);

impl StepSink for Explanation {
    fn record(&mut self, step: impl FnOnce() -> Step) {
        self.0.push(step());
    }
}

impl Explanation {
    /// What asked for a change of the count, and the last stage that had a say in it, in words; `None` where nothing did.
    #[must_use]
    pub fn of_change(&self) -> Option<String> {
        self.why(self.0.last())
    }

    /// The same of what would be set if nothing forbade it.
    #[must_use]
    pub fn of_own_answer(&self) -> Option<String> {
        let is_own = |step: &&Step| !matches!(step, Step::Forbidden { .. });
        self.why(self.0.iter().rev().find(is_own))
    }

    fn why(&self, last: Option<&Step>) -> Option<String> {
        let last = last.and_then(Step::say);
        let said: Vec<String> = self.deciding().into_iter().chain(last).collect();
        (!said.is_empty()).then(|| said.join("; "))
    }

    /// The proposal that counted, where one did.
    fn deciding(&self) -> Option<String> {
        let by = self.0.iter().find_map(|step| {
            if let Step::Combined { by, .. } = step {
                by.as_ref()
            } else {
                None
            }
        })?;
        let recommended = |step: &&Step| matches!(step, Step::Recommended { metric, .. } if metric == by);
        self.0.iter().find(recommended).map(Step::to_string)
    }

    /// The last stage after the recommendation that had a say, in words; `None` where none had.
    #[must_use]
    pub fn last_say(&self) -> Option<String> {
        self.0.last().and_then(Step::say)
    }

    /// What was known of `metric` and on what terms it asked; `None` where it was not looked at.
    #[must_use]
    pub fn of_metric(&self, name: &MetricName) -> Option<(&Observation, &Terms)> {
        self.0.iter().find_map(|step| {
            if let Step::Recommended {
                metric, seen, terms, ..
            } = step
            {
                (metric == name).then_some((seen, terms))
            } else {
                None
            }
        })
    }
}

/// What one metric asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Proposal {
    /// So many replicas.
    Replicas(Replicas),
    /// Known, and without a say this time (a step rule at rest, a metric that only raises).
    NoVote,
    /// Unknown, and as the policy says without effect.
    Ignored,
    /// Unknown: no vote, and nothing scales down.
    Blocks,
}

/// A step of a step rule that is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Pending {
    /// What the rule will ask for.
    pub replicas: Replicas,
    /// After so long, if the breach lasts. Zero where only a new sample is waited for.
    pub after: Duration,
}

/// What holds a change back for its window.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Stabilizing {
    /// Recommendations of the window that asked for another count.
    Recommendations {
        /// What the window allows later, soonest first, if the load asks for the same until then.
        easing: Vec<Easing>,
    },
    /// Too little of the window is known to judge by it, so the count cannot fall.
    Gaps {
        /// So much of it is known.
        known: Duration,
        /// So much has to be.
        needed: Duration,
    },
    /// A rise was written within the window, so the count does not fall.
    Raised {
        /// So long ago.
        ago: Duration,
    },
    /// A fall was written within the window and somebody else has raised the count since, so it does not fall again.
    Undone {
        /// The fall was so long ago.
        ago: Duration,
    },
}

/// What a window allows later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Easing {
    /// After so long.
    pub after: Duration,
    /// So many.
    pub replicas: Replicas,
}

/// One stage that had a say, in the order the stages ran.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Step {
    /// One metric proposed. There is one for each metric of the policy.
    Recommended {
        /// Which metric.
        metric: MetricName,
        /// What is known of its load. Of a metric of pods, the mean over them.
        seen: Observation,
        /// On what terms it asks.
        terms: Terms,
        /// The step that its rule waits for; `None` where it waits for none.
        pending: Option<Pending>,
        /// What it asks for.
        proposal: Proposal,
    },
    /// The proposals became one recommendation.
    Combined {
        /// The recommendation.
        replicas: Replicas,
        /// The metric with the largest proposal; `None` when none voted.
        by: Option<MetricName>,
    },
    /// Less would do, but a metric is unknown or only partly measured, so the count does not fall.
    KeptForUnknown {
        /// What was recommended.
        wanted: Replicas,
        /// What is kept.
        kept: Replicas,
        /// The first metric that forbids scaling down.
        metric: MetricName,
        /// What is known of it.
        seen: Observation,
    },
    /// Less would do for the metrics with a vote, but not for every metric of a group, so the count does not fall.
    KeptForGroup {
        /// What the metrics asked for.
        wanted: Replicas,
        /// What is recommended.
        kept: Replicas,
        /// The first group that does not agree.
        group: GroupName,
        /// Its first metric that does not ask for less.
        metric: MetricName,
    },
    /// Recent recommendations hold the change back.
    Stabilized {
        /// What was wanted before.
        wanted: Replicas,
        /// What is left of it.
        kept: Replicas,
        /// The direction that is held back.
        direction: Direction,
        /// The window they were taken from.
        window: StabilizationWindow,
        /// What in it holds the change back.
        by: Stabilizing,
    },
    /// A change limit allows only part of the change.
    Limited {
        /// What was wanted before.
        wanted: Replicas,
        /// What is allowed.
        allowed: Replicas,
        /// The direction that is limited.
        direction: Direction,
        /// The limit; `None` when the direction is switched off.
        limit: Option<ChangeLimit>,
        /// When there is room for more, once what is allowed was written; `None`: not by waiting.
        room_after: Option<Duration>,
    },
    /// The HPA's limit of one step allows only part of the change.
    LimitedAsHpa {
        /// What was wanted before.
        wanted: Replicas,
        /// What is allowed.
        allowed: Replicas,
        /// The direction that is limited.
        direction: Direction,
        /// When there is room for more, once what is allowed was written; zero: in the next round; `None`: not by waiting.
        room_after: Option<Duration>,
    },
    /// The target's selector cannot be used, so no metric is looked at.
    SelectorRefused {
        /// The count that stays.
        kept: Replicas,
        /// What is wrong with it.
        selector: SelectorState,
    },
    /// A replica is stuck in starting, so the count grows no further than the ready ones allow.
    HeldNotReady {
        /// What was wanted before.
        wanted: Replicas,
        /// What is kept.
        kept: Replicas,
        /// Replicas that can serve.
        ready: Replicas,
        /// How long the slowest one has been starting.
        starting_for: Duration,
    },
    /// A hold of one direction: the count does not move that way.
    Held {
        /// What was wanted before.
        wanted: Replicas,
        /// What is kept.
        kept: Replicas,
        /// What holds it; of several the one that lasts longest.
        hold: Hold,
        /// After so long it ends by itself; `None`: not by waiting.
        ends_after: Option<Duration>,
    },
    /// A deploy set the count back, so it is as before at once.
    Restored {
        /// What was wanted before.
        wanted: Replicas,
        /// What is wanted now: the count before the deploy.
        raised: Replicas,
        /// Who deployed.
        by: Arc<str>,
    },
    /// A deploy set the count back once more in a fight, in which it is restored once a minute at most.
    RestoreDelayed {
        /// What is wanted meanwhile.
        wanted: Replicas,
        /// The count before the deploy.
        count: Replicas,
        /// Who deployed.
        by: Arc<str>,
        /// After so long it is restored.
        after: Duration,
    },
    /// The count was reversed too often within an hour, so it does not fall.
    HeldFlapping {
        /// What was wanted before.
        wanted: Replicas,
        /// What is kept.
        kept: Replicas,
        /// Reversals within the last hour.
        reversals: u32,
        /// So many are allowed.
        allowed: u32,
        /// After so long there are no more than that, if the count stays.
        ends_after: Duration,
    },
    /// The clock went back, so the count does not fall in this pass.
    HeldClock {
        /// What was wanted before.
        wanted: Replicas,
        /// What is kept.
        kept: Replicas,
        /// By how much the clock went back.
        back: Duration,
    },
    /// Too little was known for too long: at least the fallback.
    FellBack {
        /// What was wanted before.
        wanted: Replicas,
        /// What is wanted now.
        raised: Replicas,
        /// What the fallback does.
        action: FallbackAction,
        /// For how long too little has been known.
        unknown_for: Duration,
        /// The metric that has not been known for longest; `None` when no deciding metric is.
        metric: Option<MetricName>,
    },
    /// The load is known again after a fallback, and not yet for long enough to give up what that kept.
    KeptAfterFallback {
        /// What was wanted before.
        wanted: Replicas,
        /// What is kept.
        kept: Replicas,
        /// For how long the load has been known again.
        known_for: Duration,
        /// For how long it has to be.
        after: Duration,
    },
    /// The count is zero, and a metric that starts the workload shows load.
    Activated {
        /// What was wanted before.
        wanted: Replicas,
        /// What is wanted now.
        raised: Replicas,
        /// The first such metric.
        metric: MetricName,
    },
    /// Nothing is wanted, but there has not been no load for long enough.
    KeptFromZero {
        /// What was wanted before.
        wanted: Replicas,
        /// What is kept.
        kept: Replicas,
        /// For how long there has been no load.
        idle_for: Duration,
        /// For how long there has to be none.
        idle: Duration,
    },
    /// The bounds move the count.
    Bounded {
        /// What was wanted before.
        wanted: Replicas,
        /// What lies inside.
        bounded: Replicas,
        /// The bounds that hold.
        bounds: ReplicaBounds,
        /// What set the one that moves the count; `None`: the policy itself.
        #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
        by: Option<BoundSource>,
    },
    /// Writing is forbidden. What would have been decided is `wanted`.
    Forbidden {
        /// What would have been decided.
        wanted: Replicas,
        /// The count that stays.
        kept: Replicas,
        /// What forbids it, of several the one that lasts longest; `None` when a person set the workload to zero.
        hold: Option<Hold>,
        /// After so long it ends by itself; `None`: not by waiting.
        ends_after: Option<Duration>,
    },
}

impl Step {
    /// What it says as the last stage; nothing where it is no stage after the recommendation.
    fn say(&self) -> Option<String> {
        let is_recommendation = matches!(self, Self::Recommended { .. } | Self::Combined { .. });
        (!is_recommendation).then(|| self.to_string())
    }

    /// The kind of step as machines name it, as in JSON.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Recommended { .. } => "recommended",
            Self::Combined { .. } => "combined",
            Self::KeptForUnknown { .. } => "kept_for_unknown",
            Self::KeptForGroup { .. } => "kept_for_group",
            Self::Stabilized { .. } => "stabilized",
            Self::Limited { .. } => "limited",
            Self::LimitedAsHpa { .. } => "limited_as_hpa",
            Self::SelectorRefused { .. } => "selector_refused",
            Self::HeldNotReady { .. } => "held_not_ready",
            Self::Held { .. } => "held",
            Self::Restored { .. } => "restored",
            Self::RestoreDelayed { .. } => "restore_delayed",
            Self::HeldFlapping { .. } => "held_flapping",
            Self::HeldClock { .. } => "held_clock",
            Self::FellBack { .. } => "fell_back",
            Self::KeptAfterFallback { .. } => "kept_after_fallback",
            Self::Activated { .. } => "activated",
            Self::KeptFromZero { .. } => "kept_from_zero",
            Self::Bounded { .. } => "bounded",
            Self::Forbidden { .. } => "forbidden",
        }
    }

    /// The metric that the step is about; `None` where it is about none in particular.
    #[must_use]
    pub const fn metric(&self) -> Option<&MetricName> {
        match self {
            Self::Recommended { metric, .. }
            | Self::KeptForUnknown { metric, .. }
            | Self::KeptForGroup { metric, .. }
            | Self::Activated { metric, .. } => Some(metric),
            Self::Combined { by: metric, .. } | Self::FellBack { metric, .. } => metric.as_ref(),
            Self::Stabilized { .. }
            | Self::Limited { .. }
            | Self::LimitedAsHpa { .. }
            | Self::SelectorRefused { .. }
            | Self::HeldNotReady { .. }
            | Self::Held { .. }
            | Self::Restored { .. }
            | Self::RestoreDelayed { .. }
            | Self::HeldFlapping { .. }
            | Self::HeldClock { .. }
            | Self::KeptAfterFallback { .. }
            | Self::KeptFromZero { .. }
            | Self::Bounded { .. }
            | Self::Forbidden { .. } => None,
        }
    }

    /// What the step made of the count: the one it was given, and the one it left. `None` for steps that make none.
    ///
    /// Applied in order to the recommendation (the result of the step [`Combined`](Self::Combined)), these give the
    /// decision (I14).
    #[must_use]
    pub const fn change(&self) -> Option<(Replicas, Replicas)> {
        match self {
            Self::Recommended { .. }
            | Self::Combined { .. }
            | Self::SelectorRefused { .. }
            | Self::RestoreDelayed { .. } => None,
            Self::KeptForUnknown { wanted, kept, .. }
            | Self::KeptForGroup { wanted, kept, .. }
            | Self::Stabilized { wanted, kept, .. }
            | Self::HeldNotReady { wanted, kept, .. }
            | Self::Held { wanted, kept, .. }
            | Self::HeldFlapping { wanted, kept, .. }
            | Self::HeldClock { wanted, kept, .. }
            | Self::KeptAfterFallback { wanted, kept, .. }
            | Self::KeptFromZero { wanted, kept, .. }
            | Self::Forbidden { wanted, kept, .. } => Some((*wanted, *kept)),
            Self::Limited { wanted, allowed, .. } | Self::LimitedAsHpa { wanted, allowed, .. } => {
                Some((*wanted, *allowed))
            }
            Self::FellBack { wanted, raised, .. }
            | Self::Restored { wanted, raised, .. }
            | Self::Activated { wanted, raised, .. } => Some((*wanted, *raised)),
            Self::Bounded { wanted, bounded, .. } => Some((*wanted, *bounded)),
        }
    }
}
