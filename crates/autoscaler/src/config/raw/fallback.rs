//! The keys of `fallback`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::{at::At, words::DurationText};

/// What to do when too little is known of the load for long. It never lowers the count.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-table" = "fallback"))]
pub(in crate::config) struct RawFallback {
    /// At least so many replicas, within the bounds.
    #[schemars(example = 4)]
    pub(in crate::config) replicas: Option<At<i64>>,
    /// Instead of `replicas`: the count as it is (`hold`), or at least what was recommended when enough was known for
    /// the last time (`last_known`).
    #[schemars(example = &"last_known")]
    pub(in crate::config) action: Option<At<FallbackAction>>,
    /// After so long without knowledge, by the clock. And once the load is known again, what the fallback kept stays
    /// until it has been known for so long.
    #[schemars(example = "3m")]
    pub(in crate::config) after: Option<At<DurationText>>,
    /// Whether every metric has to be unknown (`all`), or whether it is enough that one has been for all that time
    /// (`any`). Metrics with `on_missing = "ignore"` do not count, unless there are no others.
    pub(in crate::config) when: Option<At<FallbackWhen>>,
}

/// What a fallback does instead of raising to a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum FallbackAction {
    Hold,
    LastKnown,
}

/// What has to be unknown before a fallback begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum FallbackWhen {
    All,
    Any,
}
