//! Schedules: floors and ceilings that are in force at certain times, again and again or once.
//!
//! Whether one is in force is worked out from the time alone, so a pass from cron and a loop agree, and a restart
//! changes nothing. Text belongs to `config`; what a floor and a ceiling do is the engine's.

mod cron;
mod wall_clock;

use std::time::Duration;

use headroom_policy_engine::{ActiveBounds, BoundSource, ScheduleName, Timestamp};
use jiff::tz::TimeZone;

use crate::InForce;

pub use self::cron::{CronExpression, CronField, CronSyntaxError};
pub(crate) use self::wall_clock::{first_moment, latest_begun, moment_of, on_the_calendar};

/// A floor, a ceiling or both, and when they are in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Its name in the policy.
    pub name: ScheduleName,
    /// When it is in force.
    pub when: When,
    /// The floor and the ceiling while it is in force, in place of the policy's own.
    pub bounds: ActiveBounds,
}

/// When a schedule is in force.
#[derive(Clone, Debug, PartialEq)]
pub enum When {
    /// From each time that the expression names on the clocks of a zone, for as long as the duration.
    Recurring(Recurrence),
    /// Once.
    Once(Window),
}

/// A time from its beginning up to its end, which is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
}

impl Window {
    /// Whether `now` lies in it.
    #[must_use]
    pub fn contains(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }
}

/// Windows that begin at the times an expression names on the clocks of a zone.
///
/// The duration is elapsed time, also where the clocks change meanwhile. A time that the clocks leave out begins a
/// window at the moment when they go on; a time that happens twice begins one the first time.
#[derive(Clone, Debug, PartialEq)]
pub struct Recurrence {
    /// The times at which a window begins.
    pub cron: CronExpression,
    /// Whose clocks.
    pub zone: TimeZone,
    /// How long each window is.
    pub duration: Duration,
}

impl Schedule {
    /// What it asks for at `now`; `None` when it is not in force.
    #[must_use]
    pub fn in_force(&self, now: Timestamp) -> Option<InForce> {
        let window = self.window_at(now)?;
        Some(InForce {
            by: BoundSource::Schedule(self.name.clone()),
            bounds: self.bounds.clone(),
            hold: None,
            until: window.until,
        })
    }

    /// The window that `now` lies in; `None` when the schedule is not in force. Of several windows of an expression that
    /// overlap, the one that began last.
    #[must_use]
    pub fn window_at(&self, now: Timestamp) -> Option<Window> {
        let window = match &self.when {
            When::Recurring(recurrence) => recurrence.latest_window(now)?,
            When::Once(window) => *window,
        };
        window.contains(now).then_some(window)
    }
}

impl Recurrence {
    /// The window that began last before `now` or at it.
    ///
    /// Times on the wall are in the order of the moments at which their windows begin, and all windows are equally long.
    /// So only the latest time whose window has begun has to be looked at.
    pub(crate) fn latest_window(&self, now: Timestamp) -> Option<Window> {
        let latest = latest_begun(&self.zone, on_the_calendar(now)?)?;
        let begins = first_moment(&self.zone, self.cron.latest(latest)?)?;
        let from = moment_of(begins);
        Some(Window {
            from,
            until: from.plus(self.duration),
        })
    }
}

#[cfg(test)]
mod tests;
