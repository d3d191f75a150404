//! What a pass would read of a workload, and what came of it.

use headroom_autoscaler::{DecisionRecord, MetricRecord, Verdict};
use headroom_policy_engine::{Hold, Observation, Proposal, RaisedCondition, Readiness, Step};

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
    let conditions = of_conditions(record).map(|(answer, part, text)| finding(answer, part, text));
    std::iter::once(target)
        .chain(metrics)
        .chain(hold)
        .chain(conditions)
        .collect()
}

/// What somebody has to look at: another scaler, and every problem.
fn of_conditions(record: &DecisionRecord) -> impl Iterator<Item = (Answer, &'static str, String)> + '_ {
    record.conditions.iter().map(|condition| {
        let is_scaler = matches!(
            condition,
            RaisedCondition::SecondScaler { .. } | RaisedCondition::SecondHeadroom { .. }
        );
        let part = if is_scaler { "scaler" } else { "problem" };
        (Answer::Look, part, condition.to_string())
    })
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
