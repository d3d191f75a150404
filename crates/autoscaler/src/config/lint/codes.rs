//! The lints: their codes, and what the book says of each.

use std::fmt::Write as _;

/// One thing that is legal and dangerous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::config) enum Lint {
    NoCoverage,
    UtilizationOfATotal,
    PerReplicaOfAnAverage,
    WindowShorterThanQuery,
    WindowShorterThanInterval,
    RateWindowTooShort,
    MaxAgeBelowScrape,
    SameQueryTwice,
    UnscopedQuery,
    StepOnNoisyQuantile,
    LatencyAlone,
    NothingLowers,
    CounterWithoutRate,
    MinEqualsMax,
    FallbackOutOfBounds,
    ScheduleBesideTheBounds,
    RangeTakesOverAnHour,
    ZeroWithoutFallback,
    NeverIdle,
    HoldByPendingAlert,
    HoldWithoutCondition,
    SecretInPlainText,
    ChannelToldOfNothing,
    SilencesNothing,
}

/// What the book says of a lint.
struct Words {
    code: &'static str,
    /// What it finds.
    finds: &'static str,
    /// What happens then.
    danger: &'static str,
    /// What it fires on.
    example: &'static str,
}

impl Lint {
    pub(in crate::config) const ALL: [Self; 24] = [
        Self::NoCoverage,
        Self::UtilizationOfATotal,
        Self::PerReplicaOfAnAverage,
        Self::WindowShorterThanQuery,
        Self::WindowShorterThanInterval,
        Self::RateWindowTooShort,
        Self::MaxAgeBelowScrape,
        Self::SameQueryTwice,
        Self::UnscopedQuery,
        Self::StepOnNoisyQuantile,
        Self::LatencyAlone,
        Self::NothingLowers,
        Self::CounterWithoutRate,
        Self::MinEqualsMax,
        Self::FallbackOutOfBounds,
        Self::ScheduleBesideTheBounds,
        Self::RangeTakesOverAnHour,
        Self::ZeroWithoutFallback,
        Self::NeverIdle,
        Self::HoldByPendingAlert,
        Self::HoldWithoutCondition,
        Self::SecretInPlainText,
        Self::ChannelToldOfNothing,
        Self::SilencesNothing,
    ];

    /// The code, as it is written in `lints` and shown with each finding.
    pub(in crate::config) const fn code(self) -> &'static str {
        self.words().code
    }

    const fn words(self) -> Words {
        match self {
            Self::NoCoverage => Words {
                code: "no_coverage",
                finds: "a query that adds up or counts series, may lower the count, and has no `coverage`",
                danger: "Targets that are lost look like less load, and the count falls while the load is as it was.",
                example: "metrics.rps = { query = 'sum(rate(http_requests_total{job=\"api\"}[2m]))', per_replica = 100 }",
            },
            Self::UtilizationOfATotal => Words {
                code: "utilization_of_a_total",
                finds: "`utilization` of a query that is a total and not a share",
                danger: "A total does not fall as replicas are added, so the count runs to its maximum.",
                example: "metrics.rps = { query = 'sum(rate(http_requests_total{job=\"api\"}[2m]))', utilization = \"70%\" }",
            },
            Self::PerReplicaOfAnAverage => Words {
                code: "per_replica_of_an_average",
                finds: "`per_replica` of a query that is divided by the replicas already",
                danger: "The value is divided twice: a load that needs ten replicas asks for one.",
                example: "metrics.rps = { query = 'avg(rate(http_requests_total{job=\"api\"}[2m]))', per_replica = 100 }",
            },
            Self::WindowShorterThanQuery => Words {
                code: "window_shorter_than_query",
                finds: "a window of scaling down that is shorter than the window of a query that may lower",
                danger: "The count falls on values that still hold the time before the last change.",
                example: "metrics.rps = { query = 'sum(rate(http_requests_total{job=\"api\"}[10m]))', … } with scale_down.stabilization = \"1m\"",
            },
            Self::WindowShorterThanInterval => Words {
                code: "window_shorter_than_interval",
                finds: "a window of scaling down that is shorter than the interval between two passes",
                danger: "No earlier pass is ever in the window, so one quiet moment is enough for the count to fall.",
                example: "interval = \"10m\" with the default scale_down.stabilization = \"5m\"",
            },
            Self::RateWindowTooShort => Words {
                code: "rate_window_too_short",
                finds: "a range of `rate`, `increase` and their like that is shorter than four scrapes, where `scrape_interval` is set",
                danger: "One late scrape leaves the range with a single sample, and the value is gone.",
                example: "metrics.rps = { query = 'sum(rate(http_requests_total{job=\"api\"}[30s]))', … } with scrape_interval = \"15s\"",
            },
            Self::MaxAgeBelowScrape => Words {
                code: "max_age_below_scrape",
                finds: "a `max_age` that is not above the `scrape_interval` that is set",
                danger: "Values are stale before the next ones come, and nothing scales down.",
                example: "metrics.rps.max_age = \"10s\" with scrape_interval = \"15s\"",
            },
            Self::SameQueryTwice => Words {
                code: "same_query_twice",
                finds: "two metrics of a workload with the same query, or that scrape the same",
                danger: "The stricter of the two decides, and the other only looks as if it did.",
                example: "metrics.rps and metrics.requests, both of 'sum(rate(http_requests_total{job=\"api\"}[2m]))'",
            },
            Self::UnscopedQuery => Words {
                code: "unscoped_query",
                finds: "a query or `coverage` with a selector that asks for no namespace and no job",
                danger: "It also matches the series of another team's service, or of the staging cluster beside it.",
                example: "metrics.rps = { query = 'sum(rate(http_requests_total[2m]))', per_replica = 100 }",
            },
            Self::StepOnNoisyQuantile => Words {
                code: "step_on_noisy_quantile",
                finds: "a step rule without `for` on a quantile",
                danger: "One slow request in a quiet minute adds a replica.",
                example: "metrics.p95 = { query = 'histogram_quantile(0.95, …)', above = \"2s\", add = 1 }",
            },
            Self::LatencyAlone => Words {
                code: "latency_alone",
                finds: "a latency (a quantile, a mean time, or what is compared with a time) as the only kind of metric",
                danger: "A latency does not say how many replicas are needed, rises late, and also rises for reasons that \
                         replicas do not cure.",
                example: "metrics.p95 = { query = 'histogram_quantile(0.95, …)', value = \"200ms\" } and no other metric",
            },
            Self::NothingLowers => Words {
                code: "nothing_lowers",
                finds: "metrics of which none may lower the count",
                danger: "What a peak added stays for ever.",
                example: "metrics.rps = { query = …, per_replica = 100, scale_down = false } and no other metric",
            },
            Self::CounterWithoutRate => Words {
                code: "counter_without_rate",
                finds: "a scraped counter without `rate_over`",
                danger: "A counter only ever grows, and so does the count.",
                example: "metrics.rps = { scrape = \"http_requests_total\", per_replica = 100 }",
            },
            Self::MinEqualsMax => Words {
                code: "min_equals_max",
                finds: "a minimum that is the maximum",
                danger: "Nothing ever scales.",
                example: "min_replicas = 4 and max_replicas = 4",
            },
            Self::FallbackOutOfBounds => Words {
                code: "fallback_out_of_bounds",
                finds: "a fallback below the minimum or above the maximum",
                danger: "The bounds win: the fallback is not the count that is written there.",
                example: "fallback.replicas = 20 with max_replicas = 10",
            },
            Self::ScheduleBesideTheBounds => Words {
                code: "schedule_beside_the_bounds",
                finds: "a schedule with a floor above the workload's maximum, or a ceiling below its minimum",
                danger: "The floor wins, so there is exactly one count while the schedule is in force.",
                example: "schedule.sale = { …, min_replicas = 20 } with max_replicas = 10",
            },
            Self::RangeTakesOverAnHour => Words {
                code: "range_takes_over_an_hour",
                finds: "change limits with which the way between minimum and maximum takes longer than an hour",
                danger: "A peak is over before the replicas for it are there, or is paid for long afterwards.",
                example: "scale_up.limit = [\"1 per 5m\"] with min_replicas = 2 and max_replicas = 40",
            },
            Self::ZeroWithoutFallback => Words {
                code: "zero_without_fallback",
                finds: "a minimum of 0 without a fallback",
                danger: "While the metric that starts the workload cannot be read, nothing starts it.",
                example: "min_replicas = 0 without fallback",
            },
            Self::NeverIdle => Words {
                code: "never_idle",
                finds: "a minimum of 0 with a metric of `utilization`",
                danger: "Zero needs every metric at zero, and a replica that runs uses something, so it never comes.",
                example: "min_replicas = 0 with metrics.cpu = { query = …, utilization = \"70%\" }",
            },
            Self::HoldByPendingAlert => Words {
                code: "hold_by_pending_alert",
                finds: "a `hold_scale_down_when` that reads `ALERTS` without a matcher on `alertstate`",
                danger: "An alert whose `for` has not passed yet is pending, and has a value too: a flicker that would wake \
                         nobody holds the count.",
                example: "hold_scale_down_when = 'ALERTS{alertname=\"CheckoutDown\"}'",
            },
            Self::HoldWithoutCondition => Words {
                code: "hold_without_condition",
                finds: "a `hold_scale_down_when` that reads a series other than `ALERTS` and compares nothing",
                danger: "Every value but exactly zero holds, so the count may never fall again.",
                example: "hold_scale_down_when = 'sum(rate(http_errors_total{job=\"api\"}[5m]))'",
            },
            Self::SecretInPlainText => Words {
                code: "secret_in_plain_text",
                finds: "a secret that stands in the file itself",
                danger: "Whoever may read the file, its history or its backups has the secret.",
                example: "[prometheus.main] with bearer_token = \"eyJhbGciOi…\"",
            },
            Self::ChannelToldOfNothing => Words {
                code: "channel_told_of_nothing",
                finds: "a channel with an empty list of events",
                danger: "Nobody hears of anything.",
                example: "[notify.slack.ops] with on = []",
            },
            Self::SilencesNothing => Words {
                code: "silences_nothing",
                finds: "a lint that is silenced and finds nothing",
                danger: "The next thing it would find is silenced too, for a reason that is past.",
                example: "lints.min_equals_max = \"…\" with min_replicas = 2 and max_replicas = 10",
            },
        }
    }
}

const PREFACE: &str = "\
# Lints

<!-- Made by `cargo xtask reference` from the code. Edits here are overwritten. -->

`headroom check` also says what is legal and dangerous. Each finding has a code:

```text
warning[min_equals_max]: headroom.toml:5: the minimum is the maximum, 4, so nothing ever scales; …
```

They do not change the exit code; with `--strict` it is 2 where there is any. Where one is no danger, silence it with the reason, for
whoever reads it next: in the workload, in a template, or in `[defaults]` (which also holds for what belongs to no workload).

```text
[workload.\"shop/api\".lints]
min_equals_max = \"two replicas for the licence; the autoscaler only watches\"
```

A silence that silences nothing any more is found too.

";

/// The page of the book.
pub(super) fn page() -> String {
    let mut page = PREFACE.to_owned();
    for lint in Lint::ALL {
        let Words {
            code,
            finds,
            danger,
            example,
        } = lint.words();
        // Writing to a string cannot fail.
        let _ = write!(
            page,
            "## `{code}`\n\nFinds {finds}. {danger}\n\nFires on: `{example}`\n\n"
        );
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}
