//! Decides how many replicas a workload needs, and records how it got there.
//!
//! One function, [`evaluate`], takes everything that counts as values: the policy, what is known about the
//! workload and its load, what is remembered, and the time. It reads no clock, does no I/O and draws no random
//! numbers, so the same values always give the same [`Decision`].

mod active_bounds;
mod condition;
mod decision;
mod evaluate;
mod hold;
pub mod hpa;
mod identity;
mod memory;
mod observation;
mod pod;
mod policy;
mod replicas;
mod step;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod time;
mod workload;

pub use active_bounds::{
    ActiveBound, ActiveBounds, BoundSource, BoundsInForce, Operator, OwnBounds, ScheduleName,
};
pub use condition::{RaisedCondition, Severity};
pub use decision::{Decision, Direction, Outcome, Reason};
pub use evaluate::{Arithmetic, Inexact, Terms, Values, evaluate};
pub use hold::{Held, Hold, HoldSource, WhyUnknown};
pub use hpa::{HpaSettings, MetricKind, RoundError, RoundStatus, SelectorState};
pub use identity::{IdentityError, WorkloadId, is_dns_label};
pub use memory::{Memory, ScaleEvents, TargetUnreadable};
pub use observation::{Coverage, Freshness, MissingCause, Observation, Observations, Reading, Sample};
pub use pod::{
    Amounts, ConditionStatus, Container, ContainerId, ContainerUsage, InitContainer, InitKind, MetricSamples,
    Milli, PerPod, Pod, PodPhase, PodUsage, PodValue, Pods, ReadyCondition, Resource,
};
pub use policy::{
    Activation, Breach, ChangeAmount, ChangeLimit, ChangeLimits, Compared, EvaluationInterval, Fallback,
    FallbackAction, FallbackWhen, GroupName, Guards, HpaPath, LimitSelection, MetricName, MetricPolicy,
    MetricRule, OnMissing, PolicyError, ScaleToZero, ScalingRules, Semantics, StabilizationWindow, StepRule,
    Target, TargetUtilization, Tolerance, Votes, Watermarks, WorkloadPolicy,
};
pub use replicas::{BoundsError, ReplicaBounds, Replicas};
pub use step::{
    Asks, Bound, Easing, End, Explanation, MetricNeed, NeededValues, NoSteps, Number, Obstacle, Pending,
    Proposal, Span, Stabilizing, Step, StepSink, WhyNot,
};
pub use time::Timestamp;
pub use workload::{CountOrigin, Deploy, Readiness, Workload};
