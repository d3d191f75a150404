//! The keys of `schedule.NAME`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::{
    at::At,
    words::{CronText, DurationText, MomentText, ZoneText},
};

/// A floor, a ceiling or both that are in force at certain times: again and again (`cron` and `duration`), or once (`from`
/// and `until`). Of several that are in force, the highest floor and the lowest ceiling count; a floor above a ceiling wins.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-table" = "schedule"))]
pub(in crate::config) struct RawSchedule {
    /// `false` removes a schedule that a lower layer has.
    pub(in crate::config) enabled: Option<At<bool>>,
    /// The times at which it begins to be in force: minute, hour, day of the month, month and day of the week, as in
    /// crontab. Needs `duration`.
    #[schemars(example = &"0 8 * * 1-5")]
    pub(in crate::config) cron: Option<At<CronText>>,
    /// How long it is in force each time, as elapsed time: above zero, at most 366 days. Needs `cron`.
    #[schemars(example = "10h")]
    pub(in crate::config) duration: Option<At<DurationText>>,
    /// When it begins to be in force, once. Needs `until`.
    #[schemars(example = "2026-11-27T08:00")]
    pub(in crate::config) from: Option<At<MomentText>>,
    /// When it ends. Needs `from`.
    #[schemars(example = "2026-11-28T00:00")]
    pub(in crate::config) until: Option<At<MomentText>>,
    /// The zone whose clocks are meant. When it is not set: the workload's `timezone`. Has to be known, unless both
    /// moments have an offset of their own.
    #[schemars(example = "Europe/Berlin")]
    pub(in crate::config) timezone: Option<At<ZoneText>>,
    /// At least so many replicas while it is in force, in place of the workload's `min_replicas`, above or below it.
    #[schemars(example = 20)]
    pub(in crate::config) min_replicas: Option<At<i64>>,
    /// At most so many replicas while it is in force, in place of the workload's `max_replicas`, above or below it.
    #[schemars(example = 60)]
    pub(in crate::config) max_replicas: Option<At<i64>>,
}
