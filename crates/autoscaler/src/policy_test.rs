//! Tests of policies: what a workload goes through, and what is expected of the decisions about it.
//!
//! Reading the files belongs to [`config`](crate::config); here a [`Case`] is played: at each of its passes the values are
//! judged and decided on by the same function as in a pass, and the count follows. Nothing is read, written or waited for.

mod expect;
mod input;
mod play;
mod pods;
mod series;

use std::{path::PathBuf, sync::Arc, time::Duration};

use headroom_policy_engine::{Decision, Observation, Outcome, Replicas, Timestamp};

pub(crate) use self::series::Run;
pub use self::{
    expect::{Claim, Course, Difference, Expectation, When},
    input::Input,
    play::{CaseRun, Failure},
    series::{Ending, Point, Series},
};
use crate::{OverrideAsks, WorkloadSettings};

/// A file of tests.
#[derive(Clone, Debug)]
pub struct Suite {
    /// The file.
    pub file: PathBuf,
    /// What is tested, in the order of the file. Never empty.
    pub cases: Vec<Case>,
}

/// One test: what a workload goes through, and what is expected.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name in the file.
    pub name: String,
    /// The line it begins in, from 1.
    pub line: usize,
    /// The workload with its policy.
    pub workload: Arc<WorkloadSettings>,
    /// The moment of the first pass.
    pub start: Timestamp,
    /// How far apart passes are. Above zero.
    pub interval: Duration,
    /// How many passes there are. At least one.
    pub passes: usize,
    /// The count at the start.
    pub replicas: Replicas,
    /// How far apart the values of series are. Above zero.
    pub spacing: Duration,
    /// How many replicas can serve; `None`: the target does not tell.
    pub ready: Option<Series>,
    /// Where each metric of the policy comes from, in its order.
    pub inputs: Vec<Input>,
    /// Where the query that holds scaling down comes from; `None` where the policy has none.
    pub hold: Option<Input>,
    /// What happens on the way.
    pub events: Vec<Event>,
    /// What is expected. Never empty.
    pub expectations: Vec<Expectation>,
}

/// Something that happens in a case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    /// At which passes.
    pub during: During,
    /// What.
    pub what: Happening,
}

/// At which passes something happens. Times are counted from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum During {
    /// At the first pass that is not earlier.
    Next(Duration),
    /// At every pass of a span, both ends included.
    Span {
        /// Its beginning.
        from: Duration,
        /// Its end.
        to: Duration,
    },
}

impl During {
    /// When it ends, as far as that is known at the pass at `at`.
    fn end(self, at: Duration) -> Duration {
        match self {
            Self::Next(_) => at,
            Self::Span { to, .. } => to,
        }
    }

    /// Whether the pass at `at` is one of them, where the last one before it was at `before`.
    fn includes(self, before: Option<Duration>, at: Duration) -> bool {
        match self {
            Self::Next(moment) => moment <= at && before.is_none_or(|before| before < moment),
            Self::Span { from, to } => from <= at && at <= to,
        }
    }
}

/// What can happen in a case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Happening {
    /// Once, before the pass: somebody else sets the count.
    Replicas(Replicas),
    /// Changes are not written, and come to this instead.
    Writes(Outcome),
    /// A person has paused the workload.
    Paused,
    /// A person asks for other bounds, or that the count does not fall.
    Override(OverrideAsks),
    /// So many replicas cannot start.
    Failing(Replicas),
    /// The target cannot be read.
    Unreadable,
    /// No pass is made.
    NoPass,
}

impl Happening {
    /// Whether it happens at one moment.
    #[must_use]
    pub const fn is_once(&self) -> bool {
        match self {
            Self::Replicas(_) => true,
            Self::Writes(_)
            | Self::Paused
            | Self::Override(_)
            | Self::Failing(_)
            | Self::Unreadable
            | Self::NoPass => false,
        }
    }
}

/// One pass of a case, as expectations see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// When, from the start.
    pub at: Duration,
    /// The count before.
    pub before: Replicas,
    /// The count after.
    pub after: Replicas,
    /// How many replicas can serve; `None` where the target does not tell.
    pub ready: Option<Replicas>,
    /// What is known of each metric, in the order of the policy. Empty where the target could not be read.
    pub metrics: Vec<Observation>,
    /// What the metrics together ask for; `None` where nothing was decided.
    pub recommended: Option<Replicas>,
    /// The decision; `None` where the target could not be read.
    pub decision: Option<Decision>,
    /// What became of it.
    pub outcome: Option<Outcome>,
    /// The steps of its explanation, by their codes.
    pub steps: Vec<&'static str>,
}
