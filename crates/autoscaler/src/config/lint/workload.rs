//! The lints of a workload as a whole, after it was read.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Duration,
};

use headroom_policy_engine::{Direction, MetricPolicy, MetricRule, StabilizationWindow, Votes};
use promql_parser::parser::Expr;

use super::{
    Lint,
    crossing::{Crossing, crossing},
    measure::{self, Measure, measure},
    queries,
};
use crate::{
    MetricOrigin, MetricSettings, WorkloadSettings,
    config::{
        at::At,
        place::Place,
        policy::Parsed,
        raw::{RawMetric, RawWorkload},
        reader::Reader,
        servers::Servers,
        words::{NumberOrText, duration, duration_text},
    },
};

/// How many scrapes a range should hold.
const SCRAPES: u32 = 4;

/// One metric with everything that is known of it.
struct Metric<'a> {
    name: &'a At<String>,
    raw: &'a RawMetric,
    policy: &'a MetricPolicy,
    settings: &'a MetricSettings,
    query: Option<&'a Expr>,
    coverage: Option<&'a Expr>,
}

impl Metric<'_> {
    fn lowers(&self) -> bool {
        let only_adds = matches!(self.policy.rule, MetricRule::Step(step) if step.below().is_none());
        self.policy.votes == Votes::UpAndDown && !only_adds
    }

    /// How far back it looks.
    fn reach(&self) -> Duration {
        match &self.settings.origin {
            MetricOrigin::Prometheus { .. } => self.query.map(queries::reach).unwrap_or_default(),
            MetricOrigin::Scrape { rate_over, .. } => rate_over.unwrap_or_default(),
            MetricOrigin::Recorded { .. } | MetricOrigin::Resource { .. } => Duration::ZERO,
        }
    }

    /// Whether its value is a time: a quantile or mean of one, or compared with one.
    fn is_latency(&self) -> bool {
        let is_time = |text: &NumberOrText| match text {
            NumberOrText::Text(text) => duration(text).is_ok(),
            NumberOrText::Number(_) => false,
        };
        let targets = [&self.raw.value, &self.raw.above, &self.raw.below];
        let compared = targets.into_iter().flatten().any(|text| is_time(&text.value.0));
        let is_latency = |query| queries::is_quantile(query) || measure::is_mean_time(query);
        compared || self.query.is_some_and(is_latency)
    }

    /// Where its query, or what it scrapes, stands.
    fn query_place(&self) -> Place {
        let query = self.raw.query.as_ref().map(|query| query.place);
        let scrape = self.raw.scrape.as_ref().map(|scrape| scrape.place);
        query.or(scrape).unwrap_or(self.name.place)
    }

    /// Which values it asks for, in a text that is the same for the same values.
    fn asks_for(&self) -> String {
        match (&self.settings.origin, self.query) {
            (MetricOrigin::Prometheus { server, .. }, Some(query)) => format!("{server}: {query}"),
            (origin, _) => format!("{origin:?}"),
        }
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

/// Says what is dangerous about a workload. `queries` are what its queries parse to.
pub(in crate::config) fn check(
    raw: &RawWorkload,
    named_at: Place,
    settings: &WorkloadSettings,
    queries: &Parsed,
    servers: &Servers,
    reader: &mut Reader<'_>,
) {
    if !reader.silences.are_lints_wanted() {
        return;
    }
    let listed = raw.metrics.as_ref().map_or(&[][..], |metrics| &metrics.0);
    let known = settings
        .policy
        .metrics
        .iter()
        .zip(&settings.metrics)
        .zip(&queries.metrics);
    let metrics: Vec<Metric<'_>> = listed
        .iter()
        .zip(known)
        .map(|((name, raw), ((policy, settings), queries))| Metric {
            name,
            raw,
            policy,
            settings,
            query: queries.query.as_ref(),
            coverage: queries.coverage.as_ref(),
        })
        .collect();
    for metric in &metrics {
        targets(metric, reader);
        scopes(metric, reader);
        windows(metric, settings, servers, reader);
    }
    same_queries(&metrics, reader);
    together(&metrics, named_at, reader);
    bounds(raw, named_at, settings, reader);
    holds(raw, queries.hold.as_ref(), reader);
    if metrics.iter().any(Metric::lowers) {
        interval(raw, named_at, settings, reader);
    }
}

/// Whether what holds scaling down lets go again.
fn holds(raw: &RawWorkload, query: Option<&Expr>, reader: &mut Reader<'_>) {
    let (Some(text), Some(query)) = (&raw.hold_scale_down_when, query) else {
        return;
    };
    if queries::reads_pending_alerts(query) {
        let text_of = "`hold_scale_down_when` also matches alerts that are only pending; add alertstate=\"firing\" to \
                       ALERTS{…}";
        reader.lint(Lint::HoldByPendingAlert, text.place, text_of);
    } else if !queries::can_be_silent(query) {
        let text_of = "`hold_scale_down_when` compares nothing, so it holds for as long as the value is not exactly \
                       zero; write when it should hold, such as '… > 0.05'";
        reader.lint(Lint::HoldWithoutCondition, text.place, text_of);
    }
}

/// Whether the target fits what the query is.
fn targets(metric: &Metric<'_>, reader: &mut Reader<'_>) {
    let Some(query) = metric.query else {
        return;
    };
    let (name, place) = (&metric.name.value, metric.query_place());
    match metric.policy.rule {
        MetricRule::Utilization(_) if measure(query) == Measure::Total => {
            let text = format!(
                "metric `{name}` takes a total as a share of capacity: it does not fall as replicas are added, so the \
                 count runs to its maximum; divide by the capacity, or use per_replica"
            );
            reader.lint(Lint::UtilizationOfATotal, place, &text);
        }
        MetricRule::PerReplica(_) if measure(query) == Measure::PerReplica => {
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
}

/// Whether its queries say whose series they mean.
fn scopes(metric: &Metric<'_>, reader: &mut Reader<'_>) {
    let asked = [
        (metric.query, &metric.raw.query, "asks for"),
        (metric.coverage, &metric.raw.coverage, "is measured against"),
    ];
    for (query, text, what) in asked {
        let (Some(query), Some(text)) = (query, text) else {
            continue;
        };
        if let Some(selector) = queries::unscoped(query) {
            let series = selector.name.as_deref().unwrap_or("a selector");
            let text_of_it = format!(
                "metric `{}` {what} {series} of every namespace and job, another service's too; name one: \
                 {series}{{namespace=\"…\"}}",
                metric.name.value
            );
            reader.lint(Lint::UnscopedQuery, text.place, &text_of_it);
        }
    }
}

/// Whether the windows of the query, of its scrapes and of scaling down go together.
fn windows(metric: &Metric<'_>, settings: &WorkloadSettings, servers: &Servers, reader: &mut Reader<'_>) {
    let (name, place) = (&metric.name.value, metric.query_place());
    let (reach, window) = (metric.reach(), settings.policy.scale_down.stabilization.get());
    if reach > window && metric.lowers() {
        let way_out = if StabilizationWindow::new(reach).is_ok() {
            format!(
                "set scale_down.stabilization = \"{}\" or more",
                duration_text(reach)
            )
        } else {
            "look back less, or set scale_down = false for it".to_owned()
        };
        let text = format!(
            "metric `{name}` looks back {} and the count may fall after {}: on values that still hold the time before \
             the last change; {way_out}",
            duration_text(reach),
            duration_text(window)
        );
        reader.lint(Lint::WindowShorterThanQuery, place, &text);
    }
    let Some(interval) = metric.scrape_interval(servers) else {
        return;
    };
    let least = interval.saturating_mul(SCRAPES);
    if let Some(shortest) = metric.query.and_then(queries::shortest_rate)
        && shortest < least
    {
        let text = format!(
            "metric `{name}` looks back {}, less than four scrapes of {}: one late scrape leaves nothing; write [{}] or \
             more",
            duration_text(shortest),
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
    let mut asked = BTreeMap::new();
    for metric in metrics {
        let name = &metric.name.value;
        match asked.entry(metric.asks_for()) {
            Entry::Vacant(place) => {
                place.insert(name);
            }
            Entry::Occupied(first) => {
                let text = format!(
                    "metric `{name}` has the query of `{}`: the stricter of the two decides; keep one",
                    first.get()
                );
                reader.lint(Lint::SameQueryTwice, metric.query_place(), &text);
            }
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
    if min == max && policy.zero.is_none() && settings.schedules.is_empty() {
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
        let Some(Crossing::NotInAnHour(reached)) = crossing(policy.bounds, direction, limits) else {
            continue;
        };
        let (from, bound, to) = match direction {
            Direction::Up => (min, "maximum", max),
            Direction::Down => (max, "minimum", min),
        };
        let place = raw
            .and_then(|raw| raw.limit.as_ref())
            .map_or(named_at, |limit| limit.place);
        let text = format!(
            "`{key}.limit` lets the count come from {from} to {reached} in an hour, and the {bound} is {to}; allow more, or \
             add a limit in percent"
        );
        reader.lint(Lint::RangeTakesOverAnHour, place, &text);
    }
}

/// Whether passes come often enough for the window to hold several.
fn interval(raw: &RawWorkload, named_at: Place, settings: &WorkloadSettings, reader: &mut Reader<'_>) {
    let window = settings.policy.scale_down.stabilization.get();
    let interval = settings.policy.interval.get();
    // A window of zero is none, which somebody wanted.
    if window.is_zero() || interval <= window {
        return;
    }
    let down = raw.scale_down.as_ref();
    let window_at = down.and_then(|down| down.stabilization.as_ref().map(|text| text.place));
    let interval_at = raw.interval.as_ref().map(|text| text.place);
    let place = [window_at, interval_at]
        .into_iter()
        .flatten()
        .find(|place| !reader.sources.is_default(*place));
    let text = format!(
        "`scale_down.stabilization` is {} and a pass comes every {}: no earlier pass is in the window, so nothing steadies \
         the count; set scale_down.stabilization = \"{}\" or more, or a shorter interval",
        duration_text(window),
        duration_text(interval),
        duration_text(interval.saturating_mul(2))
    );
    reader.lint(Lint::WindowShorterThanInterval, place.unwrap_or(named_at), &text);
}
