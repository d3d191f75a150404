//! One workload: raw values to engine types, or to problems.
//!
//! Every part is read before anything is given up, so that all problems of a workload are reported together.

use std::{path::Path, sync::Arc, time::Duration};

use headroom_actuator::ScaleTarget;
use headroom_policy_engine::{
    ChangeLimits, Direction, EvaluationInterval, Guards, HpaSettings, LimitSelection, PolicyError,
    ReplicaBounds, Replicas, ScalingRules, Semantics, StabilizationWindow, Tolerance, WorkloadId,
    WorkloadPolicy,
};
use promql_parser::parser::Expr;

use super::{
    at::At,
    channels, fallback, holding, hpa,
    metrics::{self, Queries, Surroundings, TargetKind},
    place::Place,
    problem::{Finding, ProblemKind},
    raw::{Mode as RawMode, RawDirection, RawGuards, RawWorkload, Select},
    reader::{Reader, absent},
    rules, schedules,
    servers::Servers,
    targets, words, zero,
};
use crate::{Mode, Routes, ScrapeAddress, WorkloadSettings};

/// What holds for all workloads.
#[derive(Debug)]
pub(super) struct Common<'a> {
    pub(super) servers: &'a Servers,
    pub(super) channels: &'a [String],
    pub(super) state_dir: &'a Path,
    pub(super) deadline: Duration,
    pub(super) hpa: &'a Arc<HpaSettings>,
    pub(super) scrape_address: ScrapeAddress,
}

/// What became of a workload: its settings with the queries of its metrics, and its target even where something else is
/// wrong with it.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) settings: Option<(WorkloadSettings, Parsed)>,
    pub(super) target: Option<At<ScaleTarget>>,
}

/// What the queries of a workload parse to.
#[derive(Debug)]
pub(super) struct Parsed {
    /// Those of its metrics, in their order.
    pub(super) metrics: Vec<Queries>,
    /// That of `hold_scale_down_when`.
    pub(super) hold: Option<Expr>,
}

/// Reads one workload; settings are `None` after reporting what is wrong with it.
pub(super) fn workload(
    id: &WorkloadId,
    named_at: Place,
    raw: &RawWorkload,
    common: &Common<'_>,
    reader: &mut Reader<'_>,
) -> Read {
    let target = targets::target(id, named_at, raw, common.state_dir, common.deadline, reader);
    if let Some(source) = &raw.source {
        common.servers.check_known(source, reader);
    }
    let settings = policy(id, named_at, raw, target.as_ref(), common, reader);
    Read { settings, target }
}

fn policy(
    id: &WorkloadId,
    named_at: Place,
    raw: &RawWorkload,
    target: Option<&At<ScaleTarget>>,
    common: &Common<'_>,
    reader: &mut Reader<'_>,
) -> Option<(WorkloadSettings, Parsed)> {
    let semantics = hpa::semantics(raw, reader);
    let bounds = bounds(id, named_at, raw, semantics, reader);
    let idle = zero::idle(raw, reader);
    let interval = interval(raw, reader);
    let tolerance = tolerances(raw, reader);
    let mut scale_up = direction(raw.scale_up.as_ref(), reader);
    let mut scale_down = direction(raw.scale_down.as_ref(), reader);
    let mut tolerance = tolerance;
    match semantics {
        Semantics::Headroom => {}
        Semantics::Hpa(_) => {
            let complete = |rules, raw, direction, reader: &Reader<'_>| {
                hpa::direction(rules, raw, direction, common.hpa, reader)
            };
            scale_up = scale_up.map(|rules| complete(rules, raw.scale_up.as_ref(), Direction::Up, reader));
            scale_down =
                scale_down.map(|rules| complete(rules, raw.scale_down.as_ref(), Direction::Down, reader));
            tolerance = tolerance.map(|read| hpa::tolerance(raw, read, common.hpa, reader));
        }
    }
    let fallback = match &raw.fallback {
        None => Some(None),
        Some(at) => fallback::fallback(at, bounds, reader).map(Some),
    };
    let schedules = schedules::schedules(raw, bounds, reader);
    let guards = guards(raw.guards.as_ref(), reader);
    let holding = holding::hold_query(raw, common.servers, reader);
    let routes = channels::routes(raw, common.channels, reader);
    let around = Surroundings {
        servers: common.servers,
        source: raw.source.as_ref(),
        semantics,
        target: target.map(|target| TargetKind::from(&target.value)),
        scrape_address: common.scrape_address,
        // Where the tolerances are wrong this is reported, and no policy comes of it.
        tolerance: tolerance.or(Tolerance::new(0.0, 0.0).ok())?,
    };
    let listed = raw.metrics.as_ref().map_or(&[][..], |metrics| &metrics.0);
    if listed.is_empty() {
        let help =
            "add one: [workload.\"NAME\".metrics] with cpu = { utilization = \"70%\" }, or one with a query";
        reader.report(absent(format!("workload `{id}` has no metrics"), named_at, help));
    }
    let read: Vec<_> = listed
        .iter()
        .map(|(name, raw)| metrics::metric(name, raw, &around, reader))
        .collect();
    let (mut metric_policies, mut metric_settings, mut queries) = (Vec::new(), Vec::new(), Vec::new());
    let mut thresholds = Vec::new();
    for metric in read.into_iter().collect::<Option<Vec<_>>>()? {
        metric_policies.push(metric.policy);
        metric_settings.push(metric.settings);
        queries.push(metric.queries);
        thresholds.push(metric.threshold);
    }
    tolerance?;
    let kinds = metrics::kinds(&metric_settings);
    metric_policies
        .iter_mut()
        .zip(kinds)
        .for_each(|(metric, kind)| metric.kind = kind);
    if let (Semantics::Hpa(_), Some(raw)) = (semantics, &raw.metrics) {
        let read: Vec<_> = metric_policies
            .iter()
            .map(|metric| (metric.kind, metric.rule))
            .collect();
        hpa::check_metrics(raw, &read, reader);
    }
    if let Semantics::Hpa(_) = semantics {
        let kinds: Vec<_> = metric_policies.iter().map(|metric| metric.kind).collect();
        hpa::check_zero(raw, common.hpa, &kinds, reader);
    }
    let zero = zero::scale_to_zero(raw, idle, semantics, &metric_policies, reader);
    let (hold_query, hold) = holding?.unzip();
    let target = target.map(|target| targets::following(target.value.clone(), &metric_settings, semantics));
    let settings = WorkloadSettings {
        id: id.clone(),
        mode: mode(raw),
        annotate: raw.annotate.as_ref().is_some_and(|annotate| annotate.value),
        policy: WorkloadPolicy {
            semantics,
            hpa: Arc::clone(common.hpa),
            bounds: bounds?,
            zero: zero?,
            metrics: metric_policies,
            scale_up: scale_up?,
            scale_down: scale_down?,
            fallback: fallback?,
            guards: guards?,
            interval: interval?,
        },
        metrics: metric_settings,
        schedules: schedules?,
        hold_query,
        target: target?,
        routes: Routes {
            thresholds,
            ..routes?
        },
    };
    Some((
        settings,
        Parsed {
            metrics: queries,
            hold,
        },
    ))
}

fn mode(raw: &RawWorkload) -> Mode {
    match raw.mode.as_ref().map(|mode| mode.value) {
        Some(RawMode::Apply) | None => Mode::Apply,
        Some(RawMode::Preview) => Mode::Preview,
        Some(RawMode::Shadow) => Mode::Shadow,
    }
}

fn bounds(
    id: &WorkloadId,
    named_at: Place,
    raw: &RawWorkload,
    semantics: Semantics,
    reader: &mut Reader<'_>,
) -> Option<ReplicaBounds> {
    let min_at = raw.min_replicas.as_ref()?;
    let min = reader.replicas("min_replicas", min_at, 0);
    let Some(max_at) = &raw.max_replicas else {
        let message = format!("workload `{id}` has no `max_replicas`");
        reader.report(absent(
            message,
            named_at,
            "set max_replicas = 10: it limits what a wrong metric can cost",
        ));
        return None;
    };
    let max = reader.replicas("max_replicas", max_at, 1);
    let (min, max) = (min?, max?);
    let made = match semantics {
        Semantics::Hpa(_) if min == Replicas::ZERO => ReplicaBounds::from_zero(max),
        // The zero itself is that of `scale_to_zero`.
        Semantics::Headroom | Semantics::Hpa(_) => ReplicaBounds::new(min.max(Replicas::new(1)), max),
    };
    made.map_err(|error| {
        let finding = Finding::new(ProblemKind::BadValue, error.to_string());
        reader.report(
            finding
                .at(min_at.place)
                .at(max_at.place)
                .help("raise max_replicas or lower min_replicas"),
        );
    })
    .ok()
}

fn interval(raw: &RawWorkload, reader: &mut Reader<'_>) -> Option<EvaluationInterval> {
    let span = reader.duration(raw.interval.as_ref())?;
    let help = "a window of five minutes could not be covered by rarer passes; runs from cron come when they come, and \
                need no interval";
    checked(EvaluationInterval::new(span.value), span.place, help, reader)
}

/// A value of the engine, or a problem at `place`.
fn checked<T>(made: Result<T, PolicyError>, place: Place, help: &str, reader: &mut Reader<'_>) -> Option<T> {
    made.map_err(|error| {
        let message = match error {
            PolicyError::Interval { span } => format!(
                "an interval must be above zero and at most 10m, not {}",
                words::duration_text(span)
            ),
            PolicyError::Window { span } => {
                format!(
                    "a stabilization window must be at most 1h, not {}",
                    words::duration_text(span)
                )
            }
            PolicyError::Target { .. }
            | PolicyError::Utilization { .. }
            | PolicyError::NoStep
            | PolicyError::Threshold { .. }
            | PolicyError::EmptyStep
            | PolicyError::CrossedSteps { .. }
            | PolicyError::CrossedMarks { .. }
            | PolicyError::Idle
            | PolicyError::NoActivation
            | PolicyError::Tolerance { .. }
            | PolicyError::EmptyLimit
            | PolicyError::ScaleUpLimit { .. }
            | PolicyError::LimitPeriod { .. } => error.to_string(),
        };
        reader.report(Finding::new(ProblemKind::BadValue, message).at(place).help(help));
    })
    .ok()
}

fn tolerances(raw: &RawWorkload, reader: &mut Reader<'_>) -> Option<Tolerance> {
    let of = |direction: Option<&RawDirection>, reader: &mut Reader<'_>| {
        let own = direction.and_then(|direction| direction.tolerance.as_ref());
        rules::tolerance(own.or(raw.tolerance.as_ref())?, reader)
    };
    let up = of(raw.scale_up.as_ref(), reader);
    let down = of(raw.scale_down.as_ref(), reader);
    Tolerance::new(up?, down?).ok()
}

fn direction(raw: Option<&RawDirection>, reader: &mut Reader<'_>) -> Option<ScalingRules> {
    let raw = raw?;
    let window = reader.duration(raw.stabilization.as_ref()).and_then(|span| {
        let help = "the HPA allows no longer one either";
        checked(StabilizationWindow::new(span.value), span.place, help, reader)
    });
    let texts = raw.limit.as_ref()?;
    let limits: Vec<_> = texts
        .value
        .iter()
        .map(|text| reader.word(words::change(&text.value.0), text.place))
        .collect();
    Some(ScalingRules {
        stabilization: window?,
        limits: ChangeLimits {
            select: match raw.select.as_ref().map(|select| select.value) {
                Some(Select::Max) | None => LimitSelection::Max,
                Some(Select::Min) => LimitSelection::Min,
                Some(Select::Disabled) => LimitSelection::Disabled,
            },
            limits: limits.into_iter().collect::<Option<Vec<_>>>()?,
        },
    })
}

fn guards(raw: Option<&RawGuards>, reader: &mut Reader<'_>) -> Option<Guards> {
    let raw = raw?;
    let startup = reader.span("guards.startup", raw.startup.as_ref());
    let number = raw.max_reversals.as_ref()?;
    let max_reversals = u32::try_from(number.value).ok();
    if max_reversals.is_none() {
        let message = format!("`max_reversals` must be from 0 up, not {}", number.value);
        let finding = Finding::new(ProblemKind::BadValue, message).at(number.place);
        reader.report(finding.help("write max_reversals = 4"));
    }
    Some(Guards {
        startup: startup?,
        max_reversals: max_reversals?,
    })
}
