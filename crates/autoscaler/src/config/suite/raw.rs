//! The keys of a file of tests, written once: their names, types and meaning. The doc comments are the reference's text.

use std::borrow::Cow;

use headroom_policy_engine::Reason;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

use super::{
    super::{
        at::{At, Named},
        words::{DurationText, MomentText, NumberOrText, PathText},
    },
    codes,
};

/// Tests of a policy.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawSuite {
    /// The policy: files or directories, one layer each, as with `-c`. Has to be set.
    #[schemars(example = &["headroom.toml"])]
    pub(super) config: Option<At<Vec<At<PathText>>>>,
    /// The environment of a policy that says `script_environment = true`. The environment of the tests is never looked at.
    pub(super) environment: Option<Named<At<String>>>,
    /// What holds for every case that does not say otherwise. The keys are those of a case; tables merge key by key, and
    /// lists replace.
    pub(super) defaults: Option<RawCase>,
    /// The tests, by a name of your choice: `[case."users arrive"]`.
    pub(super) case: Option<Named<RawCase>>,
}

/// One test: what a workload goes through, and what is expected of the decisions.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawCase {
    /// The workload, by its identity, or by its name where only one has it. Needed where the policy has several.
    #[schemars(example = &"shop/api")]
    pub(super) workload: Option<At<String>>,
    /// The count at the start. Has to be set.
    #[schemars(example = 2)]
    pub(super) replicas: Option<At<i64>>,
    /// The values of each metric, by its name in the policy: a number, or a series. Of `cpu` and `memory` that
    /// Kubernetes measures: what each pod uses.
    pub(super) metrics: Option<At<Named<At<SeriesText>>>>,
    /// How many replicas took part in the values of a metric, by its name. When it is not set, nobody can tell.
    pub(super) coverage: Option<At<Named<At<SeriesText>>>>,
    /// What `hold_scale_down_when` of the policy gives: a number, or a series. 1 holds scaling down, as anything but 0 does;
    /// `_` is an alert that does not fire. When it is not set: a series of this name of the recording, or nothing fires.
    #[schemars(example = "1x5m _ ...")]
    pub(super) hold_scale_down_when: Option<At<SeriesText>>,
    /// A recording (CSV or JSON lines) with the metrics that `metrics` does not have: a column for each, by its name. Its
    /// first sample is at the start of the case.
    #[schemars(example = "day.csv")]
    pub(super) recorded: Option<At<PathText>>,
    /// How many replicas can serve, as a series. When it is not set, the target does not tell. More than there are means
    /// all of them; how long one has been starting counts from the first pass that sees it.
    #[schemars(example = "2x5m 1x5m")]
    pub(super) ready: Option<At<SeriesText>>,
    /// How far apart passes are. When it is not set: the `interval` of the workload. `"2m"` is cron every two minutes.
    #[schemars(example = "2m")]
    pub(super) interval: Option<At<DurationText>>,
    /// How far apart the values of series are. When it is not set: as far as passes. Between two values, the last one is
    /// as old as it is.
    #[schemars(example = "1m")]
    pub(super) spacing: Option<At<DurationText>>,
    /// How long it lasts. When it is not set: until the last expectation or event, or the end of the longest series.
    #[schemars(example = "1h")]
    pub(super) length: Option<At<DurationText>>,
    /// The moment of the first pass, with its offset or its time zone, for schedules. When it is not set:
    /// 2026-01-05T12:00:00Z, a Monday.
    #[schemars(example = "2026-11-27T07:00:00Z")]
    pub(super) start: Option<At<MomentText>>,
    /// What is expected, and when. Has to be set.
    pub(super) expect: Option<At<Vec<At<RawExpectation>>>>,
    /// What happens on the way.
    pub(super) events: Option<At<Vec<At<RawEvent>>>>,
}

/// Something that is expected. Times are counted from the start of the case. Without any, it is expected of every pass.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawExpectation {
    /// At the last pass until then.
    #[schemars(example = "2m30s")]
    pub(super) at: Option<At<DurationText>>,
    /// At every pass from then on. When it is not set: from the start.
    #[schemars(example = "1m")]
    pub(super) from: Option<At<DurationText>>,
    /// At every pass until then, included. When it is not set: until the end.
    #[schemars(example = "5m")]
    pub(super) to: Option<At<DurationText>>,
    /// At one pass until then (and not before `from`), at least.
    #[schemars(example = "5m")]
    pub(super) by: Option<At<DurationText>>,
    /// The count after the pass.
    #[schemars(example = 6)]
    pub(super) replicas: Option<At<i64>>,
    /// The count after the pass is never below this.
    #[schemars(example = 4)]
    pub(super) min: Option<At<i64>>,
    /// The count after the pass is never above this.
    #[schemars(example = 8)]
    pub(super) max: Option<At<i64>>,
    /// What the metrics together ask for, before windows, limits and bounds.
    #[schemars(example = 10)]
    pub(super) recommended: Option<At<i64>>,
    /// Which way the decision goes.
    pub(super) decision: Option<At<RawCourse>>,
    /// The reason of the decision.
    pub(super) reason: Option<At<ReasonWord>>,
    /// Steps that have to be in the explanation.
    #[schemars(example = &["limited"])]
    pub(super) steps: Option<At<Vec<At<StepWord>>>>,
    /// Steps that must not be in the explanation.
    #[schemars(example = &["fell_back"])]
    pub(super) without: Option<At<Vec<At<StepWord>>>>,
    /// At most so many passes of the span change the count.
    #[schemars(example = 2)]
    pub(super) max_changes: Option<At<i64>>,
}

/// Something that happens. Times are counted from the start of the case; without any, it goes on all the time.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawEvent {
    /// At the first pass that is not earlier.
    #[schemars(example = "5m")]
    pub(super) at: Option<At<DurationText>>,
    /// At every pass from then on. When it is not set: from the start.
    #[schemars(example = "5m")]
    pub(super) from: Option<At<DurationText>>,
    /// At every pass until then, included. When it is not set: until the end.
    #[schemars(example = "10m")]
    pub(super) to: Option<At<DurationText>>,
    /// Once, with `at`: somebody else sets the count.
    #[schemars(example = 9)]
    pub(super) replicas: Option<At<i64>>,
    /// Changes are not written: the write fails, or somebody else has changed the target in between.
    pub(super) writes: Option<At<WritesEvent>>,
    /// `true`: a person has paused the workload.
    #[schemars(example = true)]
    pub(super) paused: Option<At<bool>>,
    /// A person overrides the fewest replicas, as with `headroom override --min`.
    #[schemars(example = 8)]
    pub(super) min: Option<At<i64>>,
    /// A person overrides the most replicas, as with `headroom override --max`.
    #[schemars(example = 4)]
    pub(super) max: Option<At<i64>>,
    /// `true`: a person holds the count from falling, as with `headroom override --hold-down`.
    #[schemars(example = true)]
    pub(super) hold_down: Option<At<bool>>,
    /// So many replicas cannot start or keep dying.
    #[schemars(example = 2)]
    pub(super) failing: Option<At<i64>>,
    /// The count of the target cannot be read.
    pub(super) target: Option<At<TargetEvent>>,
    /// No pass is made.
    pub(super) passes: Option<At<PassesEvent>>,
}

/// Which way a decision goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawCourse {
    Up,
    Down,
    Hold,
}

/// What becomes of writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum WritesEvent {
    Fail,
    Conflict,
}

/// What becomes of reading the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum TargetEvent {
    Unreadable,
}

/// What becomes of passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum PassesEvent {
    Skipped,
}

/// A number that stays, or a series.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(transparent)]
pub(super) struct SeriesText(pub(super) NumberOrText);

/// A reason, by its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(super) struct ReasonWord(pub(super) Reason);

/// A kind of step, by its code.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(super) struct StepWord(pub(super) String);

/// Gives a type the schema `$schema`, in place.
macro_rules! schema {
    ($($name:ident: $schema:expr;)*) => {$(
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )*};
}

schema! {
    SeriesText: schemars::json_schema!({ "type": ["number", "string"], "format": "series" });
    ReasonWord: schemars::json_schema!({ "type": "string", "enum": codes::reasons() });
    StepWord: schemars::json_schema!({ "type": "string", "enum": codes::steps() });
}
