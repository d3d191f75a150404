//! What one metric says, and whether metrics together say that there is no load.

use crate::{
    MetricName, MetricPolicy, MissingCause, Observation, OnMissing, Pending, Proposal, Replicas, ScaleToZero,
    Votes,
};

/// What one metric says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    pub(super) proposal: Proposal,
    /// Whether it forbids scaling down.
    pub(super) blocks: bool,
    /// Whether its value is known.
    pub(super) known: Known,
    /// Whether it would do with fewer replicas by itself, whatever its vote counts.
    pub(super) asks_for_less: bool,
    /// Whether it shows any load.
    pub(super) load: Load,
    /// The step that a step rule waits for.
    pub(super) pending: Option<Pending>,
}

/// Whether the value of a metric is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Yes,
    No,
    /// It is asked of the replicas, and there are none: that is no outage.
    NobodyToAsk,
}

/// Whether a metric shows load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// It is known, and zero.
    None,
    /// It is above zero, be it measured in part.
    Some,
    /// It is not known, or nothing of it is known to be above zero.
    Unknown,
}

impl Load {
    pub(super) fn of(value: f64, partial: bool) -> Self {
        if value > 0.0 {
            Self::Some
        } else if partial {
            Self::Unknown
        } else {
            Self::None
        }
    }
}

impl Said {
    /// Of a metric that is asked of the replicas, where there are none.
    pub(super) const NOBODY_TO_ASK: Self = Self {
        proposal: Proposal::NoVote,
        blocks: false,
        known: Known::NobodyToAsk,
        asks_for_less: false,
        load: Load::Unknown,
        pending: None,
    };

    pub(super) const fn unknown(on_missing: OnMissing) -> Self {
        match on_missing {
            OnMissing::Block | OnMissing::Zero => Self {
                proposal: Proposal::Blocks,
                blocks: true,
                known: Known::No,
                asks_for_less: false,
                load: Load::Unknown,
                pending: None,
            },
            OnMissing::Ignore => Self {
                proposal: Proposal::Ignored,
                blocks: false,
                known: Known::No,
                asks_for_less: false,
                load: Load::Unknown,
                pending: None,
            },
        }
    }
}

/// A rule whose count follows the value.
pub(super) fn track(
    metric: &MetricPolicy,
    seen: &Observation,
    current: Replicas,
    propose: impl FnOnce(f64) -> Option<Replicas>,
) -> Said {
    let (value, partial) = match seen {
        Observation::Fresh(sample) => (sample.value, false),
        Observation::Partial(sample) => (sample.value, true),
        Observation::Missing {
            cause: MissingCause::NoData,
        } if metric.on_missing == OnMissing::Zero => (0.0, false),
        Observation::Missing { .. } | Observation::Stale { .. } => return Said::unknown(metric.on_missing),
    };
    let may_lower = metric.votes == Votes::UpAndDown && !partial;
    let asked = propose(value);
    let votes = asked.filter(|&replicas| replicas > current || may_lower);
    Said {
        proposal: votes.map_or(Proposal::NoVote, Proposal::Replicas),
        // Measured in part, a value may raise, never lower (I27).
        blocks: partial,
        known: Known::Yes,
        asks_for_less: asked.is_some_and(|replicas| replicas < current) && !partial,
        load: Load::of(value, partial),
        pending: None,
    }
}

/// What metrics together say of load, for a count of zero.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::evaluate) struct Loads<'a> {
    /// The first metric that would start the workload, and shows load.
    pub(in crate::evaluate) signal: Option<&'a MetricName>,
    has_activation: bool,
    has_load_or_unknown: bool,
}

impl<'a> Loads<'a> {
    /// Takes the load of `metric`.
    pub(super) fn add(&mut self, load: Load, zero: &ScaleToZero, metric: &'a MetricName) {
        let activates = zero.activation().contains(metric);
        self.has_activation |= activates;
        self.has_load_or_unknown |= load != Load::None;
        if activates && load == Load::Some && self.signal.is_none() {
            self.signal = Some(metric);
        }
    }

    /// Whether every metric is known and zero, and one of them would start the workload again.
    pub(in crate::evaluate) const fn are_none(&self) -> bool {
        self.has_activation && !self.has_load_or_unknown
    }
}
