//! What a pass would read of a workload, and what came of it.

use headroom_autoscaler::{DecisionRecord, MetricRecord, Mode, Verdict};
use headroom_policy_engine::{Hold, Observation, Proposal, Readiness, Step};

use super::findings::{Answer, Finding};

/// What the look ahead read: the target, the metrics, and what stands in their way.
pub(super) fn of_workload(record: &DecisionRecord) -> Vec<Finding> {
    let finding = |answer, part: &str, text| Finding {
        answer,
        subject: record.workload.to_string(),
        part: part.to_owned(),
        text,
    };
    let target = match &record.verdict {
        Verdict::Unreadable { error } => finding(Answer::Failed, "target", error.clone()),
        Verdict::Decided { target, .. } => {
            let ready = match target.readiness {
                Readiness::Known { ready, .. } => format!("{ready} ready"),
                Readiness::Unknown => "how many are ready is not known".to_owned(),
            };
            finding(
                Answer::Ok,
                "target",
                format!("{} wanted, {ready}", target.current),
            )
        }
    };
    let metrics = record.metrics.iter().map(|metric| {
        let (answer, text) = of_metric(metric, record);
        finding(answer, metric.name.as_str(), text)
    });
    let hold = record.hold_query.as_ref().map(|asked| {
        let (answer, text) = of_hold(asked);
        finding(answer, asked.name.as_str(), text)
    });
    let guards = of_guards(record).into_iter();
    let guards = guards.map(|(answer, part, text)| finding(answer, part, text));
    std::iter::once(target)
        .chain(metrics)
        .chain(hold)
        .chain(guards)
        .collect()
}

/// What the guards of a target in a cluster say: another scaler, and every problem.
fn of_guards(record: &DecisionRecord) -> Vec<(Answer, &'static str, String)> {
    let Verdict::Decided { target, .. } = &record.verdict else {
        return Vec::new();
    };
    let scalers = target.holds.iter().filter(|hold| match hold {
        Hold::SecondScaler { .. } => record.mode != Mode::Shadow,
        Hold::Paused { .. }
        | Hold::BeingDeleted
        | Hold::FailingToStart { .. }
        | Hold::ScaleDownHeld { .. }
        | Hold::RollingOut { .. }
        | Hold::Contested { .. }
        | Hold::FleetBrake { .. } => false,
    });
    let scalers = scalers.map(|hold| (Answer::Look, "scaler", hold.to_string()));
    let problems = record.conditions.iter();
    let problems = problems.map(|condition| (Answer::Look, "problem", condition.to_string()));
    scalers.chain(problems).collect()
}

/// What the query that holds scaling down says. That nothing matches is its usual answer.
fn of_hold(asked: &MetricRecord) -> (Answer, String) {
    let seen = &asked.observation;
    match Hold::of_query(&"".into(), seen) {
        None => (
            Answer::Ok,
            "it has no value other than zero, and holds nothing".to_owned(),
        ),
        Some(hold) if hold.is_blind() => {
            let said = asked.error.clone().unwrap_or_else(|| seen.to_string());
            (Answer::Failed, said)
        }
        Some(_) => (Answer::Look, "it has a value, and holds scaling down".to_owned()),
    }
}

fn of_metric(metric: &MetricRecord, record: &DecisionRecord) -> (Answer, String) {
    let seen = &metric.observation;
    let said = metric
        .error
        .as_ref()
        .map_or_else(|| seen.to_string(), Clone::clone);
    match seen {
        Observation::Fresh(_) if metric.remarks.is_empty() => (Answer::Ok, seen.to_string()),
        Observation::Fresh(_) => (Answer::Ok, format!("{seen} ({})", metric.remarks.join("; "))),
        Observation::Partial(_) => (Answer::Look, seen.to_string()),
        Observation::Stale { .. } => (Answer::Failed, seen.to_string()),
        // A policy may say that it can do without: a quantile over no requests, a metric that is absent when idle.
        Observation::Missing { .. } if is_expected(metric, record) => (Answer::Look, said),
        Observation::Missing { .. } => (Answer::Failed, said),
    }
}

fn is_expected(metric: &MetricRecord, record: &DecisionRecord) -> bool {
    let Verdict::Decided { explanation, .. } = &record.verdict else {
        return false;
    };
    explanation.0.iter().any(|step| {
        let Step::Recommended {
            metric: name,
            proposal: Proposal::Replicas(_) | Proposal::NoVote,
            ..
        } = step
        else {
            return false;
        };
        *name == metric.name
    })
}
