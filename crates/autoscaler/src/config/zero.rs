//! `min_replicas = 0`: what starts a workload that stands at zero, and when it gets there.

use std::time::Duration;

use headroom_policy_engine::{Activation, MetricPolicy, MetricRule, ScaleToZero, Semantics};

use super::{
    at::At,
    lint::Lint,
    problem::{Finding, ProblemKind, either},
    raw::{RawMetric, RawWorkload},
    reader::{Reader, absent},
};
use crate::{MetricOrigin, MetricSettings, Scraped};

/// For how long there has to be no load before the count is set to zero.
pub(super) fn idle(raw: &RawWorkload, reader: &mut Reader<'_>) -> Option<Duration> {
    reader.span("scale_to_zero.idle", raw.scale_to_zero.as_ref()?.idle.as_ref())
}

/// Whether the count may be zero, after `idle`; `None` after reporting that nothing would end that.
pub(super) fn scale_to_zero(
    raw: &RawWorkload,
    idle: Option<Duration>,
    semantics: Semantics,
    metrics: &[MetricPolicy],
    reader: &mut Reader<'_>,
) -> Option<Option<ScaleToZero>> {
    let Some(min) = raw.min_replicas.as_ref().filter(|min| min.value == 0) else {
        return Some(None);
    };
    match semantics {
        // The HPA's zero has rules of its own.
        Semantics::Hpa(_) => return Some(None),
        Semantics::Headroom => {}
    }
    let made = ScaleToZero::new(idle?, metrics).map_err(|_| {
        let message = "`min_replicas` of 0 needs a metric that starts the workload again";
        let help = "set activation = true in a metric that is known without replicas, such as the length of a queue or \
                    the requests at the gateway; or set min_replicas = 1";
        reader.report(absent(message, min.place, help));
    });
    let zero = made.ok()?;
    if raw.fallback.is_none() {
        let started_by = either(zero.activation().iter().map(|name| name.as_str()));
        let text = format!(
            "while {started_by} cannot be read, nothing starts the workload from its zero; set fallback = {{ replicas = 1, \
             after = \"3m\" }}"
        );
        reader.lint(Lint::ZeroWithoutFallback, min.place, &text);
    }
    for metric in metrics {
        if let MetricRule::Utilization(_) = metric.rule {
            let text = format!(
                "zero needs every metric at zero, and `{}` is not while a replica runs; leave that metric out, or set \
                 min_replicas = 1",
                metric.name
            );
            reader.lint(Lint::NeverIdle, min.place, &text);
        }
    }
    Some(Some(zero))
}

/// Whether a metric starts a workload that stands at zero; `None` after reporting why it could not.
pub(super) fn activation(
    name: &At<String>,
    raw: &RawMetric,
    rule: &MetricRule,
    settings: &MetricSettings,
    reader: &mut Reader<'_>,
) -> Option<Activation> {
    let Some(flag) = raw.activation.as_ref().filter(|flag| flag.value) else {
        return Some(Activation::None);
    };
    let of_replicas = match &settings.origin {
        MetricOrigin::Scrape {
            asked: Scraped::Replicas | Scraped::Pods { .. },
            ..
        }
        | MetricOrigin::Resource { .. } => true,
        MetricOrigin::Scrape {
            asked: Scraped::Fixed(_),
            ..
        }
        | MetricOrigin::Prometheus { .. }
        | MetricOrigin::Recorded { .. } => false,
    };
    let is_share = matches!(rule, MetricRule::Utilization(_));
    if !of_replicas && !is_share {
        return Some(Activation::FromZero);
    }
    let why = if is_share {
        "is a share of what replicas can do"
    } else {
        "is asked of the replicas themselves"
    };
    let message = format!(
        "metric `{}` {why}, and cannot start a workload that has none",
        name.value
    );
    let help = "take one that is known without replicas, such as the length of a queue or the requests at the gateway";
    reader.report(
        Finding::new(ProblemKind::BadValue, message)
            .at(flag.place)
            .help(help),
    );
    None
}
