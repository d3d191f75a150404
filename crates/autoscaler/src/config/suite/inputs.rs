//! The values of a case: series that are written in it, and recordings.

use std::{sync::Arc, time::Duration};

use headroom_metrics_source::{RecordedQuery, RecordedSource};
use headroom_policy_engine::Replicas;

use super::{
    super::{
        at::{At, Named},
        check::nearest,
        place::Place,
        problem::{Finding, ProblemKind, listed},
        reader::{Reader, absent},
        words::NumberOrText,
    },
    raw::{RawCase, SeriesText},
    series,
};
use crate::{
    HoldQuery, WorkloadSettings,
    policy_test::{Input, Point, Run, Series},
};

/// The series of a case, each with the place of its text.
#[derive(Debug)]
pub(super) struct SeriesOfCase {
    pub(super) spacing: Duration,
    pub(super) list: Vec<(Place, Series)>,
}

impl SeriesOfCase {
    pub(super) fn read(&mut self, text: &At<SeriesText>, reader: &mut Reader<'_>) -> Option<Series> {
        let series = match &text.value.0 {
            NumberOrText::Number(number) => Series::constant(Point::Value(*number)),
            NumberOrText::Text(written) => match series::parse(written, self.spacing) {
                Ok(series) => series,
                Err(problems) => {
                    for problem in problems {
                        let place = within(text.place, written, &problem.span, reader);
                        let finding = Finding::new(ProblemKind::BadValue, problem.error.to_string());
                        reader.report(finding.at(place).help(problem.error.help()));
                    }
                    return None;
                }
            },
        };
        self.list.push((text.place, series.clone()));
        Some(series)
    }
}

/// The place of a part of a text, where the file has the text as it is; else that of the whole text.
fn within(place: Place, text: &str, part: &std::ops::Range<usize>, reader: &Reader<'_>) -> Place {
    let source = reader.sources.text(place.source());
    let quoted = source.get(place.span()).unwrap_or_default();
    match quoted.find(text) {
        Some(begins) if !part.is_empty() => {
            let start = place.span().start + begins;
            Place::new(place.source(), start + part.start..start + part.end)
        }
        Some(_) | None => place,
    }
}

/// Whether a series is one of counts.
pub(super) fn counts(key: &str, series: &Series, place: Place, reader: &mut Reader<'_>) -> bool {
    let is_count = |point: Point| match point {
        Point::Value(value) => {
            value.fract() == 0.0 && (0.0..=f64::from(Replicas::LIMIT.get())).contains(&value)
        }
        Point::Missing => true,
        Point::Stale | Point::Failed => false,
    };
    let fine = |run: &Run| run.rise.fract() == 0.0 && is_count(run.first) && is_count(run.at(run.count - 1));
    if series.runs().iter().all(fine) {
        return true;
    }
    let message = format!("`{key}` has a value that is no count of replicas");
    let finding = Finding::new(ProblemKind::BadValue, message).at(place);
    reader.report(
        finding.help("write whole numbers such as \"2x5m 3x5m\", and `_` where the target does not tell"),
    );
    false
}

/// Where each metric comes from.
pub(super) fn inputs(
    name: &At<String>,
    raw: &RawCase,
    workload: &WorkloadSettings,
    recording: Option<&Arc<RecordedSource>>,
    all: &mut SeriesOfCase,
    reader: &mut Reader<'_>,
) -> Option<Vec<Input>> {
    let mut fine = true;
    for (key, named) in [("metrics", &raw.metrics), ("coverage", &raw.coverage)] {
        for (metric, _) in entries(named.as_ref()) {
            fine &= is_known(key, metric, workload, reader);
        }
    }
    let mut read = |named: Option<&At<Named<At<SeriesText>>>>, metric: &str, reader: &mut Reader<'_>| {
        let mut entries = entries(named);
        match entries.find(|(name, _)| name.value == metric) {
            None => Some(None),
            Some((_, text)) => all.read(text, reader).map(Some),
        }
    };
    let mut inputs = Vec::new();
    let mut silent = Vec::new();
    let mut unnamed = Vec::new();
    for metric in &workload.policy.metrics {
        let metric = metric.name.as_str();
        let values = read(raw.metrics.as_ref(), metric, reader);
        let coverage = read(raw.coverage.as_ref(), metric, reader);
        let (Some(values), Some(coverage)) = (values, coverage) else {
            fine = false;
            continue;
        };
        match (values, recording) {
            (Some(values), _) => inputs.push(Input::Written { values, coverage }),
            (None, Some(recording)) if has_series(recording, metric) => {
                if recording.names().next().is_none() {
                    unnamed.push(metric);
                }
                inputs.extend(recorded(recording, metric));
            }
            (None, _) => silent.push(metric),
        }
    }
    let place = raw.metrics.as_ref().map_or(name.place, |metrics| metrics.place);
    if let [first, ..] = silent.as_slice() {
        let listed_silent = listed(silent.iter().copied());
        let message = format!("case `{}` has no values for {listed_silent}", name.value);
        let known = recording.map_or_else(String::new, |recording| {
            format!("; the recording has {}", listed(recording.names()))
        });
        let help = format!(
            "set metrics.{first} = 100, a series, or \"_\" where nothing is known, here or in [defaults.metrics]{known}"
        );
        reader.report(absent(message, place, help));
    }
    if unnamed.len() > 1 {
        let message = format!(
            "the recording has one series without a name, for {}",
            listed(unnamed.iter().copied())
        );
        let finding = Finding::new(ProblemKind::Conflict, message).at(place);
        reader.report(finding.help("name its columns: timestamp,METRIC,METRIC…"));
    }
    (fine && silent.is_empty() && unnamed.len() <= 1).then_some(inputs)
}

/// Where the query that holds scaling down comes from: nothing fires where nobody says that it does.
pub(super) fn hold(
    raw: &RawCase,
    workload: &WorkloadSettings,
    recording: Option<&Arc<RecordedSource>>,
    all: &mut SeriesOfCase,
    reader: &mut Reader<'_>,
) -> Option<Option<Input>> {
    let written = raw.hold_scale_down_when.as_ref();
    if let (Some(text), None) = (written, &workload.hold_query) {
        let message = format!("`{}` has no `{}`", workload.id, HoldQuery::KEY);
        let finding = Finding::new(ProblemKind::UnknownName, message).at(text.place);
        reader.report(finding.help("remove the line, or set it in the policy"));
        return None;
    }
    if workload.hold_query.is_none() {
        return Some(None);
    }
    let silent = || Input::Written {
        values: Series::constant(Point::Missing),
        coverage: None,
    };
    let is_named = |recording: &&Arc<RecordedSource>| recording.names().any(|name| name == HoldQuery::KEY);
    let input = match (written, recording.filter(is_named)) {
        (Some(text), _) => Input::Written {
            values: all.read(text, reader)?,
            coverage: None,
        },
        (None, Some(recording)) => recorded(recording, HoldQuery::KEY).unwrap_or_else(silent),
        (None, None) => silent(),
    };
    Some(Some(input))
}

fn entries(named: Option<&At<Named<At<SeriesText>>>>) -> impl Iterator<Item = &(At<String>, At<SeriesText>)> {
    named.into_iter().flat_map(|named| &named.value.0)
}

/// Whether the policy has such a metric.
fn is_known(key: &str, metric: &At<String>, workload: &WorkloadSettings, reader: &mut Reader<'_>) -> bool {
    let names = || workload.policy.metrics.iter().map(|metric| metric.name.as_str());
    if names().any(|name| name == metric.value) {
        return true;
    }
    let message = format!("`{}` has no metric `{}`", workload.id, metric.value);
    let finding = Finding::new(ProblemKind::UnknownName, message).at(metric.place);
    reader.report(finding.help(match nearest(&metric.value, names()) {
        Some(near) => format!("did you mean `{key}.{near}`?"),
        None => format!("its metrics are {}", listed(names())),
    }));
    false
}

fn has_series(recording: &RecordedSource, metric: &str) -> bool {
    let mut names = recording.names().peekable();
    names.peek().is_none() || names.any(|name| name == metric)
}

fn recorded(recording: &Arc<RecordedSource>, metric: &str) -> Option<Input> {
    let (begins, _) = recording.span()?;
    Some(Input::Recorded {
        recording: Arc::clone(recording),
        query: RecordedQuery {
            series: Arc::from(metric),
        },
        begins,
    })
}
