//! `semantics = "hpa"`: what the HPA's controller is set to, whether a workload has a `behavior`, and what the HPA does
//! not have.

use std::sync::Arc;

use headroom_policy_engine::{
    Direction, HpaPath, HpaSettings, LimitSelection, MetricKind, MetricRule, ScalingRules, Semantics,
    StabilizationWindow, Tolerance,
    hpa::{Gates, HpaRules, ScaleUpLimit, ZeroReplicasRule, complete_rules},
};

use super::{
    at::{At, Named},
    place::Place,
    problem::{Finding, ProblemKind},
    raw::{
        RawDirection, RawHpa, RawMetric, RawWorkload, Semantics as RawSemantics, WhenMissing, ZeroReplicas,
    },
    reader::Reader,
    rules,
};

/// What the HPA's controller is set to; `None` after reporting what is wrong.
pub(super) fn settings(raw: Option<&RawHpa>, reader: &mut Reader<'_>) -> Option<HpaSettings> {
    let raw = raw?;
    let tolerance = rules::tolerance(raw.tolerance.as_ref()?, reader);
    let cpu_initialization = reader.duration(raw.cpu_initialization_period.as_ref());
    let initial_readiness_delay = reader.duration(raw.initial_readiness_delay.as_ref());
    let downscale_stabilization = reader.duration(raw.downscale_stabilization.as_ref());
    let is_on = |gate: &Option<At<bool>>| gate.as_ref().is_some_and(|gate| gate.value);
    Some(HpaSettings {
        tolerance: Tolerance::new(tolerance?, tolerance?).ok()?,
        cpu_initialization: cpu_initialization?.value,
        initial_readiness_delay: initial_readiness_delay?.value,
        downscale_stabilization: downscale_stabilization?.value,
        scale_up_limit: ScaleUpLimit::default(),
        gates: Gates {
            scale_to_zero: is_on(&raw.scale_to_zero),
            configurable_tolerance: is_on(&raw.configurable_tolerance),
            pod_level_resources: is_on(&raw.pod_level_resources),
        },
        zero: match raw.zero_replicas.as_ref()?.value {
            ZeroReplicas::ScaledToZero => ZeroReplicasRule::ScaledToZeroCondition,
            ZeroReplicas::MinReplicas => ZeroReplicasRule::MinReplicas,
        },
    })
}

/// Whose rules decide about a workload. The HPA has a `behavior` as soon as somebody says anything of a direction.
pub(super) fn semantics(raw: &RawWorkload, reader: &Reader<'_>) -> Semantics {
    match raw.semantics.as_ref().map(|semantics| semantics.value) {
        Some(RawSemantics::Headroom) | None => Semantics::Headroom,
        Some(RawSemantics::Hpa) => {
            let directions = [raw.scale_up.as_ref(), raw.scale_down.as_ref()];
            let said = directions.into_iter().flatten().any(|raw| {
                own(raw.stabilization.as_ref(), reader).is_some()
                    || own(raw.limit.as_ref(), reader).is_some()
                    || own(raw.select.as_ref(), reader).is_some()
                    || own(raw.tolerance.as_ref(), reader).is_some()
            });
            Semantics::Hpa(if said {
                HpaPath::WithBehavior
            } else {
                HpaPath::WithoutBehavior
            })
        }
    }
}

/// What somebody wrote; `None` for what the built-in defaults say.
fn own<'a, T>(value: Option<&'a At<T>>, reader: &Reader<'_>) -> Option<&'a At<T>> {
    value.filter(|at| !reader.sources.is_default(at.place))
}

/// One direction of `behavior`: what somebody wrote of `rules`, and the HPA's own defaults for the rest.
pub(super) fn direction(
    rules: ScalingRules,
    raw: Option<&RawDirection>,
    direction: Direction,
    settings: &HpaSettings,
    reader: &Reader<'_>,
) -> ScalingRules {
    let window: Option<StabilizationWindow> = raw
        .and_then(|raw| own(raw.stabilization.as_ref(), reader))
        .map(|_| rules.stabilization);
    let limits = raw
        .and_then(|raw| own(raw.limit.as_ref(), reader))
        .map(|_| rules.limits.limits);
    let select: Option<LimitSelection> = raw
        .and_then(|raw| own(raw.select.as_ref(), reader))
        .map(|_| rules.limits.select);
    let given = HpaRules {
        stabilization: window,
        select,
        limits,
    };
    complete_rules(&given, direction, settings)
}

/// The tolerances, up and down: each direction's own, else the workload's, else the controller's.
pub(super) fn tolerance(
    raw: &RawWorkload,
    read: Tolerance,
    settings: &HpaSettings,
    reader: &Reader<'_>,
) -> Tolerance {
    let said = |raw_direction: Option<&RawDirection>| {
        let own_of = raw_direction.and_then(|direction| own(direction.tolerance.as_ref(), reader));
        own_of.or_else(|| own(raw.tolerance.as_ref(), reader)).is_some()
    };
    let up = if said(raw.scale_up.as_ref()) {
        read.up()
    } else {
        settings.tolerance.up()
    };
    let down = if said(raw.scale_down.as_ref()) {
        read.down()
    } else {
        settings.tolerance.down()
    };
    Tolerance::new(up, down).unwrap_or(settings.tolerance)
}

/// Refuses what the HPA does not have: a policy that asks for it would not be the HPA's.
pub(super) fn check_metrics(
    metrics: &Named<RawMetric>,
    policies: &[(MetricKind, MetricRule)],
    reader: &mut Reader<'_>,
) {
    for ((name, raw), (kind, rule)) in metrics.0.iter().zip(policies) {
        let refuse = |what: &str, place: Place, help: &str, reader: &mut Reader<'_>| {
            let message = format!("metric `{}`: the HPA has no {what}", name.value);
            let finding = Finding::new(ProblemKind::Conflict, message).at(place);
            reader.report(finding.help(format!("{help}, or set semantics = \"headroom\"")));
        };
        match (rule, kind) {
            (MetricRule::Step(_), _) => {
                let place = raw
                    .above
                    .as_ref()
                    .or(raw.below.as_ref())
                    .map_or(name.place, |at| at.place);
                refuse("steps", place, "follow a target: per_replica or value", reader);
            }
            (MetricRule::Watermarks(_), _) => {
                let marks = raw.high.as_ref().or(raw.low.as_ref());
                let place = marks.map_or(name.place, |at| at.place);
                refuse("marks", place, "follow a target: per_replica or value", reader);
            }
            (
                MetricRule::Utilization(_),
                MetricKind::Object | MetricKind::External | MetricKind::Unsupported,
            ) => {
                let place = raw.utilization.as_ref().map_or(name.place, |at| at.place);
                let help =
                    "keep `value` at the wanted fraction of the query, or take cpu or memory without a query";
                refuse("utilization of a query", place, help, reader);
            }
            (MetricRule::Utilization(_) | MetricRule::PerReplica(_) | MetricRule::Value(_), _) => {}
        }
        if let Some(flag) = raw.activation.as_ref().filter(|flag| flag.value) {
            refuse(
                "metric that starts a workload",
                flag.place,
                "remove the line",
                reader,
            );
        }
        if let Some(group) = &raw.group {
            refuse("groups of metrics", group.place, "remove the line", reader);
        }
        if let Some(flag) = raw.scale_down.as_ref().filter(|flag| !flag.value) {
            refuse("metric that only raises", flag.place, "remove the line", reader);
        }
        if let Some(choice) = &raw.on_missing
            && choice.value != WhenMissing::Block
        {
            let what = "choice of what a missing metric means";
            refuse(
                what,
                choice.place,
                "remove the line: a metric that is missing forbids scaling down",
                reader,
            );
        }
        if let Some(text) = &raw.tolerance {
            let help = "set scale_up.tolerance and scale_down.tolerance of the workload";
            refuse("tolerance of one metric", text.place, help, reader);
        }
    }
}

/// Refuses a minimum of zero where the HPA does: with its feature off, or with metrics of pods alone.
pub(super) fn check_zero(
    raw: &RawWorkload,
    settings: &HpaSettings,
    kinds: &[MetricKind],
    reader: &mut Reader<'_>,
) {
    let Some(min) = raw.min_replicas.as_ref().filter(|min| min.value == 0) else {
        return;
    };
    let from_outside = |kind: &MetricKind| matches!(kind, MetricKind::Object | MetricKind::External);
    let (message, help) = if !settings.gates.scale_to_zero {
        (
            "the HPA takes no `min_replicas` of 0 while its feature is off",
            "set scale_to_zero = true under [hpa]",
        )
    } else if !kinds.iter().any(from_outside) {
        (
            "an HPA with `min_replicas` of 0 needs a metric that is known without pods",
            "add a metric with a query",
        )
    } else {
        return;
    };
    let finding = Finding::new(ProblemKind::Conflict, message).at(min.place);
    reader.report(finding.help(format!("{help}, or set min_replicas = 1")));
}

/// `settings`, to be shared by all workloads.
pub(super) fn shared(settings: Option<HpaSettings>) -> Arc<HpaSettings> {
    Arc::new(settings.unwrap_or_default())
}
