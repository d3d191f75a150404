//! The rules of a channel: what it is told, how much of it, and when.

use std::{collections::BTreeSet, num::NonZeroU32, time::Duration};

use crate::{EventKind, Notice, Severity, Stage};

use super::{QuietHours, Waiting};

/// What a channel is told, how much of it, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelRules {
    /// The kinds of events it is told; `None` for all.
    pub on: Option<BTreeSet<EventKind>>,
    /// It is told what is at least as severe.
    pub least: Severity,
    /// For so long what comes first about an incident waits for what belongs to it.
    pub group_wait: Duration,
    /// For so long what comes later about an incident goes into the same message where that can be changed, and waits for
    /// the next one where it cannot.
    pub group_interval: Duration,
    /// The most messages in any hour; `None` for as many as there are. What is urgent and digests are sent beyond it, and
    /// a message that is changed is no new one.
    pub max_per_hour: Option<NonZeroU32>,
    /// When only what is urgent is sent.
    pub quiet_hours: Option<QuietHours>,
    /// How much may wait.
    pub bound: QueueBound,
    /// For how long it is tried.
    pub deadlines: Deadlines,
}

/// How much may wait for a channel. What is urgent, and what closes something that was told, is kept beyond that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueBound {
    /// At most so many notices.
    pub notices: usize,
    /// At most so many bytes.
    pub bytes: u64,
}

impl QueueBound {
    /// As it is where nobody says otherwise.
    pub const USUAL: Self = Self {
        notices: 5000,
        bytes: 4 << 20,
    };
}

/// For how long it is tried to hand a notice over, from the time on at which it was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// What is [`Severity::Info`].
    pub info: Duration,
    /// What is [`Severity::Warning`].
    pub warning: Duration,
    /// What is [`Severity::Critical`], each failure, and what closes something that was told.
    pub critical: Duration,
}

impl Deadlines {
    /// As they are where nobody says otherwise.
    pub const USUAL: Self = Self {
        info: Duration::from_secs(3600),
        warning: Duration::from_secs(6 * 3600),
        critical: Duration::from_secs(24 * 3600),
    };

    /// For how long `waiting` is tried.
    pub(super) fn of(&self, waiting: &Waiting) -> Duration {
        if waiting.is_urgent() || waiting.phase == super::Phase::Closed {
            return self.critical;
        }
        match waiting.severity {
            Severity::Info => self.info,
            Severity::Warning => self.warning,
            Severity::Critical => self.critical,
        }
    }
}

impl ChannelRules {
    /// Whether the channel is to be given `notice`.
    ///
    /// What closes something is given to it as well, however severe, where it is told of that something: it is left out
    /// later where it was not.
    #[must_use]
    pub fn takes(&self, notice: &Notice) -> bool {
        if notice.is_test {
            return true;
        }
        let closes = matches!(notice.stage, Stage::Closed { .. });
        let is_told = self.names(notice.kind()) || (closes && self.names(notice.event.opened_as()));
        is_told && (closes || notice.severity >= self.least)
    }

    /// Whether the end of something is told for itself, of which the channel is not told that it began.
    pub(super) fn tells_end_alone(&self, waiting: &Waiting) -> bool {
        self.names(waiting.kind) && !self.names(waiting.opened_as) && waiting.severity >= self.least
    }

    fn names(&self, kind: EventKind) -> bool {
        self.on.as_ref().is_none_or(|on| on.contains(&kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Event, Unknown,
        delivery::RowId,
        testing::{AT, notice, rules, scaled},
    };

    #[track_caller]
    fn check(on: &[EventKind], least: Severity, told: &Notice, expected: bool) {
        let rules = ChannelRules {
            on: (!on.is_empty()).then(|| on.iter().copied().collect()),
            least,
            ..rules()
        };
        assert_eq!(rules.takes(told), expected, "{on:?} {least:?} {told:?}");
    }

    #[test]
    fn a_channel_is_given_the_kinds_and_severities_that_it_names() {
        check(&[], Severity::Info, &scaled(), true);
        check(&[EventKind::Scaled], Severity::Info, &scaled(), true);
        check(&[EventKind::AtMax], Severity::Info, &scaled(), false);
        check(&[], Severity::Warning, &scaled(), false);
        let test = Notice {
            is_test: true,
            ..scaled()
        };
        check(&[EventKind::AtMax], Severity::Critical, &test, true);
    }

    #[test]
    fn whoever_is_told_of_the_beginning_is_given_the_end_whatever_it_is_called() {
        let end = |event| {
            let after = Duration::from_secs(60);
            notice(Severity::Info, Stage::Closed { after }, event)
        };
        let recovered = |from| end(Event::Recovered { from });
        let fallback = recovered(Unknown::Fallback);
        check(&[EventKind::Fallback], Severity::Critical, &fallback, true);
        check(&[EventKind::Blind], Severity::Info, &fallback, false);
        check(
            &[EventKind::Blind],
            Severity::Info,
            &recovered(Unknown::Blind),
            true,
        );
        check(&[EventKind::Paused], Severity::Info, &end(Event::Resumed), true);
        check(&[EventKind::Recovered], Severity::Info, &fallback, true);
    }

    #[test]
    fn an_end_is_told_alone_where_the_channel_names_it_and_not_its_beginning() {
        let alone = |on: &[EventKind], event| {
            let after = Duration::from_secs(60);
            let end = notice(Severity::Info, Stage::Closed { after }, event);
            let rules = ChannelRules {
                on: Some(on.iter().copied().collect()),
                ..rules()
            };
            rules.tells_end_alone(&Waiting::of(&end, RowId(1), 100, AT))
        };
        let recovered = |from| Event::Recovered { from };
        let both = [EventKind::Recovered, EventKind::Fallback];
        assert!(!alone(&both, recovered(Unknown::Fallback)));
        assert!(alone(&both, recovered(Unknown::Blind)));
        assert!(alone(&[EventKind::Resumed], Event::Resumed));
        assert!(!alone(&[EventKind::Resumed, EventKind::Paused], Event::Resumed));
        assert!(!alone(&[EventKind::Paused], Event::Resumed));
        assert!(!alone(&[EventKind::Scaled], scaled().event));
        let severe = ChannelRules {
            on: Some([EventKind::Resumed].into()),
            least: Severity::Warning,
            ..rules()
        };
        let after = Duration::from_secs(60);
        let end = notice(Severity::Info, Stage::Closed { after }, Event::Resumed);
        assert!(!severe.tells_end_alone(&Waiting::of(&end, RowId(1), 100, AT)));
    }
}
