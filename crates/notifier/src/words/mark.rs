//! How soon somebody has to look at a text.

use super::words;
use crate::{Language, Notice, Severity, Stage};

/// How soon somebody has to look, or that nobody has to any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mark {
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
    pub const fn of(notice: &Notice) -> Self {
        match (notice.stage, notice.severity) {
            (Stage::Closed { .. }, _) => Self::Resolved,
            (Stage::Once | Stage::Opened, Severity::Info) => Self::Info,
            (Stage::Once | Stage::Opened, Severity::Warning) => Self::Warning,
            (Stage::Once | Stage::Opened, Severity::Critical) => Self::Critical,
        }
    }

    /// Of several notices, oldest first: of what still goes on the worst, else of what happened.
    #[must_use]
    pub fn of_all(notices: &[Notice]) -> Self {
        let is_last = |index: usize, notice: &Notice| {
            let incident = notice.incident();
            let later = notices.get(index + 1..).unwrap_or_default();
            !later.iter().any(|later| later.incident() == incident)
        };
        let last = || {
            notices
                .iter()
                .enumerate()
                .filter(|(index, notice)| is_last(*index, notice))
                .map(|(_, notice)| notice)
        };
        let worst = last()
            .filter(|notice| !matches!(notice.stage, Stage::Closed { .. }))
            .max_by_key(|notice| notice.severity);
        let has_ended = last().any(|notice| matches!(notice.stage, Stage::Closed { .. }));
        match worst {
            None => Self::Resolved,
            Some(notice) if has_ended && notice.severity == Severity::Info => Self::Resolved,
            Some(notice) => Self::of(notice),
        }
    }

    /// A symbol beside the word.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Info => "ℹ️",
            Self::Warning => "⚠️",
            Self::Critical => "🚨",
            Self::Resolved => "✅",
        }
    }

    /// In words.
    #[must_use]
    pub fn word(self, language: Language) -> &'static str {
        words(language).mark(self)
    }
}
