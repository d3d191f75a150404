//! How the value of a metric becomes a count: targets, steps, and the band without action.

use headroom_policy_engine::{
    Breach, Compared, MetricRule, PolicyError, Semantics, StepRule, Target, TargetUtilization, Watermarks,
};

use super::{
    at::At,
    place::Place,
    problem::{Finding, ProblemKind},
    raw::{ComparedValue, RawMetric},
    reader::{Reader, absent, conflict},
    words::{AmountText, NumberOrText, PercentageText},
};

/// How the value becomes a count.
pub(super) fn rule(
    name: &At<String>,
    raw: &RawMetric,
    semantics: Semantics,
    reader: &mut Reader<'_>,
) -> Option<MetricRule> {
    let marks_at = raw.high.as_ref().or(raw.low.as_ref());
    let step_at = raw.above.as_ref().or(raw.below.as_ref());
    let rules: Vec<(&str, Place)> = [
        ("utilization", raw.utilization.as_ref().map(|at| at.place)),
        ("per_replica", raw.per_replica.as_ref().map(|at| at.place)),
        ("value", raw.value.as_ref().map(|at| at.place)),
        (
            if raw.high.is_some() { "high" } else { "low" },
            marks_at.map(|at| at.place),
        ),
        (
            if raw.above.is_some() { "above" } else { "below" },
            step_at.map(|at| at.place),
        ),
    ]
    .into_iter()
    .filter_map(|(key, place)| Some((key, place?)))
    .collect();
    match rules.as_slice() {
        [_] => {}
        [] => {
            let message = format!(
                "metric `{}` does not say how many replicas its value needs",
                name.value
            );
            let help = "set utilization = \"70%\", per_replica = 100, value = \"200ms\", high = 120 with low = 60, or \
                        above = \"2s\" with add = 1";
            reader.report(absent(message, name.place, help));
            return None;
        }
        [..] => {
            let message = format!("metric `{}` has two rules", name.value);
            reader.report(conflict(
                message,
                &rules,
                "keep one; a second metric may have the other",
            ));
            return None;
        }
    }
    if let Some(text) = &raw.utilization {
        return utilization(text, semantics, reader).map(MetricRule::Utilization);
    }
    if let Some(text) = &raw.per_replica {
        return target(text, reader).map(MetricRule::PerReplica);
    }
    if let Some(text) = &raw.value {
        return target(text, reader).map(MetricRule::Value);
    }
    if let Some(place) = marks_at.map(|at| at.place) {
        return marks(name, raw, place, reader).map(MetricRule::Watermarks);
    }
    step(raw, reader).map(MetricRule::Step)
}

/// The HPA's targets are of what pods ask for, and pods may use more than they ask for.
const MOST_OF_REQUESTS: f64 = 10.0;

fn utilization(
    text: &At<PercentageText>,
    semantics: Semantics,
    reader: &mut Reader<'_>,
) -> Option<TargetUtilization> {
    let fraction = reader.fraction(text)?;
    let (most, made) = match semantics {
        Semantics::Headroom => ("100%", TargetUtilization::new(fraction)),
        Semantics::Hpa(_) => ("1000%", of_requests(fraction)),
    };
    made.map_err(|_| {
        let written = as_written(text);
        let message = format!("a target utilization is above 0% and at most {most}, not {written}");
        let help = match &text.value.0 {
            NumberOrText::Number(number) if (1.0..=100.0).contains(number) => {
                format!("write \"{written}%\", or a fraction")
            }
            NumberOrText::Number(_) | NumberOrText::Text(_) => "write \"70%\", or 0.7".to_owned(),
        };
        reader.report(
            Finding::new(ProblemKind::BadValue, message)
                .at(text.place)
                .help(help),
        );
    })
    .ok()
}

fn of_requests(fraction: f64) -> Result<TargetUtilization, PolicyError> {
    let in_range = fraction > 0.0 && fraction <= MOST_OF_REQUESTS;
    #[expect(clippy::cast_possible_truncation, reason = "at most 1000 by then")]
    let percent = if in_range {
        (fraction * 100.0).round() as i32
    } else {
        0
    };
    TargetUtilization::of_requests(percent)
}

fn target(text: &At<AmountText>, reader: &mut Reader<'_>) -> Option<Target> {
    let amount = reader.amount(text)?;
    let help = "write how much one replica can carry, such as 100 or \"200ms\"";
    checked(Target::new(amount), text.place, help, reader)
}

/// Two marks, and what is compared with them.
fn marks(name: &At<String>, raw: &RawMetric, place: Place, reader: &mut Reader<'_>) -> Option<Watermarks> {
    let mut mark = |key: &str, other: &str, text: Option<&At<AmountText>>| {
        let Some(text) = text else {
            let message = format!(
                "metric `{}` has a mark `{other}` and none called `{key}`",
                name.value
            );
            let help = format!("set `{key}` in the same metric: between the two nothing changes");
            reader.report(absent(message, name.place, help));
            return None;
        };
        let value = target(text, reader)?;
        Some(At {
            value,
            place: text.place,
        })
    };
    let high = mark("high", "low", raw.high.as_ref());
    let low = mark("low", "high", raw.low.as_ref());
    let compared = match raw.compare.as_ref().map(|compare| compare.value) {
        Some(ComparedValue::PerReplica) => Some(Compared::PerReplica),
        Some(ComparedValue::Value) => Some(Compared::Value),
        None => {
            let message = format!(
                "metric `{}` does not say what is compared with its marks",
                name.value
            );
            let help = "set compare = \"per_replica\" where the value is a total and the marks are for each replica \
                        (Datadog's `average`), or compare = \"value\" for the value itself (Datadog's `absolute`)";
            reader.report(absent(message, name.place, help));
            None
        }
    };
    if let Some(tolerance) = &raw.tolerance {
        let keys = [
            (if raw.high.is_some() { "high" } else { "low" }, place),
            ("tolerance", tolerance.place),
        ];
        let message = format!("metric `{}` has marks and a tolerance", name.value);
        reader.report(conflict(
            message,
            &keys,
            "remove `tolerance`: the marks are the band without action",
        ));
        return None;
    }
    let (compared, low, high) = (compared?, low?, high?);
    Watermarks::new(compared, low.value, high.value)
        .map_err(|error| {
            let finding = Finding::new(ProblemKind::BadValue, error.to_string());
            let finding = finding.at(high.place).at(low.place);
            reader
                .report(finding.help("set `high` to what is too much, and `low` to what is far too little"));
        })
        .ok()
}

fn checked<T>(made: Result<T, PolicyError>, place: Place, help: &str, reader: &mut Reader<'_>) -> Option<T> {
    made.map_err(|error| {
        reader.report(
            Finding::new(ProblemKind::BadValue, error.to_string())
                .at(place)
                .help(help),
        );
    })
    .ok()
}

fn step(raw: &RawMetric, reader: &mut Reader<'_>) -> Option<StepRule> {
    let lasting = raw.lasting.as_ref();
    let lasting_span = reader.duration(lasting).map(|span| span.value);
    let mut side = |key: &str, threshold: Option<&At<AmountText>>, step_key: &str, step: Option<&At<i64>>| {
        let Some(threshold) = threshold else {
            return Some(None);
        };
        let amount = reader.amount(threshold);
        let Some(step) = step else {
            let message = format!("`{key}` does not say how many replicas to {step_key}");
            reader.report(absent(
                message,
                threshold.place,
                format!("set {step_key} = 1 in the same metric"),
            ));
            return None;
        };
        let step = reader.replicas(step_key, step, 1)?;
        Some(Some(Breach {
            threshold: amount?,
            lasting: lasting_span,
            step,
        }))
    };
    let above = side("above", raw.above.as_ref(), "add", raw.add.as_ref());
    let below = side("below", raw.below.as_ref(), "remove", raw.remove.as_ref());
    if lasting.is_some() && lasting_span.is_none() {
        return None;
    }
    let place = raw.below.as_ref().or(raw.above.as_ref()).map(|at| at.place)?;
    let help = "set `above` to what is too much, and `below` to what is far too little";
    checked(StepRule::new(above?, below?), place, help, reader)
}

/// A tolerance from 0 to 1.
pub(super) fn tolerance(text: &At<PercentageText>, reader: &mut Reader<'_>) -> Option<f64> {
    let band = reader.fraction(text)?;
    if (0.0..=1.0).contains(&band) {
        return Some(band);
    }
    let message = format!("a tolerance is from 0% to 100%, not {}", as_written(text));
    let finding = Finding::new(ProblemKind::BadValue, message).at(text.place);
    reader.report(finding.help("write \"10%\", or 0.1"));
    None
}

fn as_written(text: &At<PercentageText>) -> String {
    match &text.value.0 {
        NumberOrText::Number(number) => number.to_string(),
        NumberOrText::Text(text) => text.clone(),
    }
}
