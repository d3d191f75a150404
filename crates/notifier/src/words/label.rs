//! The names of the parts of a text.

use super::words;
use crate::Language;

/// The name of a part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Label {
    /// Of the reason.
    Why,
    /// Of what happens next.
    Next,
    /// Of the command.
    Command,
    /// Of the time.
    At,
    /// The cluster.
    Cluster,
    /// The workload.
    Workload,
    /// The count.
    Replicas,
    /// What the load would need.
    Needed,
    /// The most that are allowed.
    Maximum,
    /// The fewest that are allowed.
    Minimum,
    /// What was measured.
    Measured,
    /// What that is above of.
    Threshold,
    /// When it began.
    Since,
    /// For how long it went on.
    Lasted,
    /// When it ends.
    Until,
    /// Who did it.
    By,
    /// Why, in their words.
    TheirReason,
    /// The page with what to do.
    Runbook,
    /// The dashboard.
    Dashboard,
}

impl Label {
    /// In words.
    #[must_use]
    pub(crate) fn word(self, language: Language) -> &'static str {
        words(language).label(self)
    }
}
