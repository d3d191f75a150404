//! The lints of a workload as a whole, after it was read.

use std::time::Duration;

use headroom_policy_engine::{
    ChangeAmount, ChangeLimit, ChangeLimits, Direction, LimitSelection, MetricPolicy, MetricRule,
    ReplicaBounds, Votes,
};
use promql_parser::parser::Expr;

use super::{Lint, queries};
use crate::{
    MetricOrigin, MetricSettings, WorkloadSettings,
    config::{
        at::At,
        place::Place,
        promql,
        raw::{RawMetric, RawWorkload},
        reader::Reader,
        servers::Servers,
        words::{NumberOrText, duration, duration_text},
    },
};

/// The longest time that the way between the bounds should take.
const AN_HOUR: Duration = Duration::from_secs(3600);
/// How many scrapes a range should hold.
const SCRAPES: u32 = 4;

/// One metric with everything that is known of it.
struct Metric<'a> {
    name: &'a At<String>,
    raw: &'a RawMetric,
    policy: &'a MetricPolicy,
    settings: &'a MetricSettings,
    query: Option<Expr>,
}

impl Metric<'_> {
    fn lowers(&self) -> bool {
        let only_adds = matches!(self.policy.rule, MetricRule::Step(step) if step.below().is_none());
        self.policy.votes == Votes::UpAndDown && !only_adds
    }

    /// Whether its value is a time: a quantile of one, or compared with one.
    fn is_latency(&self) -> bool {
        let is_time = |text: &NumberOrText| match text {
            NumberOrText::Text(text) => duration(text).is_ok(),
            NumberOrText::Number(_) => false,
        };
        let targets = [&self.raw.value, &self.raw.above, &self.raw.below];
        let compared = targets.into_iter().flatten().any(|text| is_time(&text.value.0));
        compared || self.query.as_ref().is_some_and(queries::is_quantile)
    }

    /// Where its query stands.
    fn query_place(&self) -> Place {
        self.raw
            .query
            .as_ref()
            .map_or(self.name.place, |query| query.place)
    }

    /// The Prometheus that is asked.
    fn server(&self) -> Option<&str> {
        match &self.settings.origin {
            MetricOrigin::Prometheus { server, .. } => Some(server),
            MetricOrigin::Scrape { .. } | MetricOrigin::Recorded { .. } | MetricOrigin::Resource { .. } => {
                None
            }
        }
    }

    /// How often the series of its query are scraped, where the settings say.
    fn scrape_interval(&self, servers: &Servers) -> Option<Duration> {
        servers.settings.get(self.server()?)?.scrape_interval
    }
}

/// Says what is dangerous about a workload.
pub(in crate::config) fn check(
    raw: &RawWorkload,
    named_at: Place,
    settings: &WorkloadSettings,
    servers: &Servers,
    reader: &mut Reader<'_>,
) {
    let listed = raw.metrics.as_ref().map_or(&[][..], |metrics| &metrics.0);
    let known = settings.policy.metrics.iter().zip(&settings.metrics);
    let metrics: Vec<Metric<'_>> = listed
        .iter()
        .zip(known)
        .map(|((name, raw), (policy, settings))| Metric {
            name,
            raw,
            policy,
            settings,
            query: raw
                .query
                .as_ref()
                .and_then(|query| promql::parse(&query.value.0).ok()),
        })
        .collect();
    for metric in &metrics {
        targets(metric, reader);
        windows(metric, settings, servers, reader);
    }
    same_queries(&metrics, reader);
    together(&metrics, named_at, reader);
    bounds(raw, named_at, settings, reader);
}

/// Whether the target fits what the query is.
fn targets(metric: &Metric<'_>, reader: &mut Reader<'_>) {
    let Some(query) = &metric.query else {
        return;
    };
    let (name, place) = (&metric.name.value, metric.query_place());
    match metric.policy.rule {
        MetricRule::Utilization(_) if queries::is_total(query) => {
            let text = format!(
                "metric `{name}` takes a total as a share of capacity: it does not fall as replicas are added, so the \
                 count runs to its maximum; divide by the capacity, or use per_replica"
            );
            reader.lint(Lint::UtilizationOfATotal, place, &text);
        }
        MetricRule::PerReplica(_) if queries::is_mean(query) => {
            let text = format!(
                "metric `{name}` shares out what is a mean over the replicas already; use sum(…) with per_replica, or \
                 the mean with value"
            );
            reader.lint(Lint::PerReplicaOfAnAverage, place, &text);
        }
        MetricRule::Step(step) if queries::is_quantile(query) => {
            let hasty = [step.above(), step.below()]
                .into_iter()
                .flatten()
                .any(|breach| breach.lasting.is_none());
            if hasty {
                let text = format!(
                    "metric `{name}` takes a step as soon as a quantile is beyond its threshold, and one slow request in \
                     a quiet minute puts it there; set for = \"1m\""
                );
                reader.lint(Lint::StepOnNoisyQuantile, place, &text);
            }
        }
        MetricRule::Utilization(_)
        | MetricRule::PerReplica(_)
        | MetricRule::Value(_)
        | MetricRule::Watermarks(_)
        | MetricRule::Step(_) => {}
    }
    if let Some(selector) = queries::unscoped(query) {
        let series = selector.name.as_deref().unwrap_or("a selector");
        let text = format!(
            "metric `{name}` asks for {series} of every namespace and job, another service's too; name one: \
             {series}{{namespace=\"…\"}}"
        );
        reader.lint(Lint::UnscopedQuery, place, &text);
    }
}

/// Whether the windows of the query, of its scrapes and of scaling down go together.
fn windows(metric: &Metric<'_>, settings: &WorkloadSettings, servers: &Servers, reader: &mut Reader<'_>) {
    let (name, place) = (&metric.name.value, metric.query_place());
    let ranges = metric.query.as_ref().map(queries::ranges).unwrap_or_default();
    let window = settings.policy.scale_down.stabilization.get();
    if let Some(longest) = ranges
        .iter()
        .max()
        .filter(|longest| **longest > window && metric.lowers())
    {
        let text = format!(
            "metric `{name}` looks back {} and the count may fall after {}: on values that still hold the time before \
             the last change; set scale_down.stabilization = \"{}\" or more",
            duration_text(*longest),
            duration_text(window),
            duration_text(*longest)
        );
        reader.lint(Lint::WindowShorterThanQuery, place, &text);
    }
    let Some(interval) = metric.scrape_interval(servers) else {
        return;
    };
    let least = interval.saturating_mul(SCRAPES);
    if let Some(shortest) = ranges.iter().min().filter(|shortest| **shortest < least) {
        let text = format!(
            "metric `{name}` looks back {}, less than four scrapes of {}: one late scrape leaves nothing; write [{}] or \
             more",
            duration_text(*shortest),
            duration_text(interval),
            duration_text(least)
        );
        reader.lint(Lint::RateWindowTooShort, place, &text);
    }
    if let (Some(freshness), Some(at)) = (metric.settings.max_age, &metric.raw.max_age)
        && freshness.max_age <= interval
    {
        let text = format!(
            "metric `{name}` is stale after {}, before the next scrape brings a value; set max_age = \"{}\" or more",
            duration_text(freshness.max_age),
            duration_text(interval.saturating_mul(3))
        );
        reader.lint(Lint::MaxAgeBelowScrape, at.place, &text);
    }
}

fn same_queries(metrics: &[Metric<'_>], reader: &mut Reader<'_>) {
    for (index, metric) in metrics.iter().enumerate() {
        let Some(query) = &metric.query else {
            continue;
        };
        let same = |other: &&Metric<'_>| {
            let same_server = other.server() == metric.server();
            same_server
                && other
                    .query
                    .as_ref()
                    .is_some_and(|other| other.to_string() == query.to_string())
        };
        if let Some(first) = metrics[..index].iter().find(same) {
            let text = format!(
                "metric `{}` has the query of `{}`: the stricter of the two decides; keep one",
                metric.name.value, first.name.value
            );
            reader.lint(Lint::SameQueryTwice, metric.query_place(), &text);
        }
    }
}

/// Whether the metrics together can raise the count for a good reason, and lower it.
fn together(metrics: &[Metric<'_>], named_at: Place, reader: &mut Reader<'_>) {
    if metrics.is_empty() {
        return;
    }
    if metrics.iter().all(Metric::is_latency) {
        let text = "a latency is all that may raise the count: it does not say how many replicas are needed, rises late, \
                    and also for reasons that replicas do not cure; add what the service carries, such as requests per second";
        reader.lint(Lint::LatencyAlone, named_at, text);
    }
    if !metrics.iter().any(Metric::lowers) {
        let text = "no metric may lower the count: what a peak added stays; let one of them, or add `below` with `remove`";
        reader.lint(Lint::NothingLowers, named_at, text);
    }
}

fn bounds(raw: &RawWorkload, named_at: Place, settings: &WorkloadSettings, reader: &mut Reader<'_>) {
    let policy = &settings.policy;
    let (min, max) = (policy.bounds.min(), policy.bounds.max());
    if min == max && settings.schedules.is_empty() {
        let place = raw.max_replicas.as_ref().map_or(named_at, |number| number.place);
        let text = format!("the minimum is the maximum, {max}, so nothing ever scales; raise max_replicas");
        reader.lint(Lint::MinEqualsMax, place, &text);
    }
    let directions = [
        (
            "scale_up",
            Direction::Up,
            &policy.scale_up.limits,
            raw.scale_up.as_ref(),
        ),
        (
            "scale_down",
            Direction::Down,
            &policy.scale_down.limits,
            raw.scale_down.as_ref(),
        ),
    ];
    for (key, direction, limits, raw) in directions {
        let Some(time) = time_to_cross(policy.bounds, direction, limits).filter(|time| *time > AN_HOUR)
        else {
            continue;
        };
        let place = raw
            .and_then(|raw| raw.limit.as_ref())
            .map_or(named_at, |limit| limit.place);
        let text = format!(
            "with `{key}.limit` the way between {min} and {max} takes {}; allow more, or add a limit in percent",
            duration_text(time)
        );
        reader.lint(Lint::RangeTakesOverAnHour, place, &text);
    }
}

/// How long the whole way takes: as long as with the limit that is selected, one period for each of its steps but the
/// first. `None` where nothing limits it, or the direction is switched off.
fn time_to_cross(bounds: ReplicaBounds, direction: Direction, limits: &ChangeLimits) -> Option<Duration> {
    let each = limits
        .limits
        .iter()
        .map(|limit| with_limit(bounds, direction, *limit));
    match limits.select {
        LimitSelection::Max => each.min(),
        LimitSelection::Min => each.max(),
        LimitSelection::Disabled => None,
    }
}

fn with_limit(bounds: ReplicaBounds, direction: Direction, limit: ChangeLimit) -> Duration {
    let (min, max) = (u64::from(bounds.min().get()), u64::from(bounds.max().get()));
    let (mut count, mut steps) = (if direction == Direction::Up { min } else { max }, 0_u32);
    let allowed = |count: u64| match limit.amount() {
        ChangeAmount::Replicas(replicas) => u64::from(replicas),
        ChangeAmount::Percent(percent) => (count * u64::from(percent)).div_ceil(100),
    };
    // Longer than an hour is long enough to know: a period is at least a second.
    while count != (if direction == Direction::Up { max } else { min }) && steps <= 3602 {
        let change = allowed(count).max(1);
        count = match direction {
            Direction::Up => count.saturating_add(change).min(max),
            Direction::Down => count.saturating_sub(change).max(min),
        };
        steps += 1;
    }
    limit.period().saturating_mul(steps.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use headroom_policy_engine::Replicas;

    use super::*;

    #[track_caller]
    fn check(
        bounds: (u32, u32),
        direction: Direction,
        select: LimitSelection,
        limits: &[(ChangeAmount, u64)],
        expected: Option<u64>,
    ) {
        let bounds = ReplicaBounds::new(Replicas::new(bounds.0), Replicas::new(bounds.1)).unwrap();
        let limit = |&(amount, seconds)| ChangeLimit::new(amount, Duration::from_secs(seconds)).unwrap();
        let limits = ChangeLimits {
            select,
            limits: limits.iter().map(limit).collect(),
        };
        let time = time_to_cross(bounds, direction, &limits);
        assert_eq!(time.map(|time| time.as_secs()), expected);
    }

    #[test]
    fn the_way_takes_one_period_for_each_step_but_the_first() {
        let (one, double) = ((ChangeAmount::Replicas(1), 300), (ChangeAmount::Percent(100), 60));
        check(
            (2, 40),
            Direction::Up,
            LimitSelection::Max,
            &[one],
            Some(37 * 300),
        );
        check(
            (2, 40),
            Direction::Up,
            LimitSelection::Max,
            &[one, double],
            Some(4 * 60),
        );
        check(
            (2, 40),
            Direction::Up,
            LimitSelection::Min,
            &[one, double],
            Some(37 * 300),
        );
        check(
            (2, 40),
            Direction::Down,
            LimitSelection::Max,
            &[(ChangeAmount::Percent(50), 60)],
            Some(3 * 60),
        );
        check((2, 40), Direction::Up, LimitSelection::Disabled, &[one], None);
        check((2, 40), Direction::Up, LimitSelection::Max, &[], None);
        check((4, 4), Direction::Up, LimitSelection::Max, &[one], Some(0));
    }
}
