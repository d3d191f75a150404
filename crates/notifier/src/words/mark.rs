//! How soon somebody has to look at a text.

use std::collections::HashSet;

use crate::{Notice, Severity, Stage};

/// How soon somebody has to look, or that nobody has to any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Mark {
    /// Nobody has to.
    Info,
    /// Before long.
    Warning,
    /// At once.
    Critical,
    /// What was told of has ended.
    Resolved,
}

impl Mark {
    /// Of one notice.
    #[must_use]
    pub(crate) const fn of(notice: &Notice) -> Self {
        match (notice.stage, notice.severity) {
            (Stage::Closed { .. }, _) => Self::Resolved,
            (Stage::Once | Stage::Opened, Severity::Info) => Self::Info,
            (Stage::Once | Stage::Opened, Severity::Warning) => Self::Warning,
            (Stage::Once | Stage::Opened, Severity::Critical) => Self::Critical,
        }
    }

    /// Of several notices, oldest first: of what still goes on the worst, else of what happened.
    #[must_use]
    pub(crate) fn of_all(notices: &[Notice]) -> Self {
        let mut seen = HashSet::new();
        let newest = notices
            .iter()
            .rev()
            .filter(|notice| seen.insert(notice.incident()));
        let (ended, rest): (Vec<&Notice>, Vec<&Notice>) =
            newest.partition(|notice| matches!(notice.stage, Stage::Closed { .. }));
        let has_ended = !ended.is_empty();
        match rest.into_iter().max_by_key(|notice| notice.severity) {
            None => Self::Resolved,
            Some(notice) if has_ended && notice.severity == Severity::Info => Self::Resolved,
            Some(notice) => Self::of(notice),
        }
    }

    /// A symbol beside the word.
    #[must_use]
    pub(crate) const fn symbol(self) -> &'static str {
        match self {
            Self::Info => "ℹ️",
            Self::Warning => "⚠️",
            Self::Critical => "🚨",
            Self::Resolved => "✅",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::scaled;

    #[test]
    fn each_of_many_notices_is_looked_at_once() {
        let apart = |number: u32| Notice {
            workload: format!("shop/w-{number}").parse().ok(),
            ..scaled()
        };
        let notices: Vec<Notice> = (0..200).map(apart).collect();
        let counted = allocation_counter::measure(|| {
            assert_eq!(Mark::of_all(&notices), Mark::Info);
        });
        let each = counted.count_total / 200;
        assert!(each < 10, "{each} allocations for each notice");
    }
}
