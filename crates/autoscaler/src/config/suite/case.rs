//! One case: its workload in the policy, and all that is said of it.

use std::{sync::Arc, time::Duration};

use headroom_policy_engine::{Timestamp, WorkloadId};

use super::{
    super::{
        at::At,
        check::nearest,
        place::Place,
        problem::{Finding, ProblemKind, listed},
        reader::{Reader, absent},
        words::{self, MomentText},
    },
    expect::{self, Expected, Planned},
    inputs::{self, SeriesOfCase, counts},
    length::{Lasts, last_pass, passes},
    raw::RawCase,
    recordings::Recordings,
};
use crate::{WorkloadSettings, policy_test::Case};

/// The moment of the first pass where a case does not say: 2026-01-05T12:00:00Z, a Monday.
const START: Timestamp = Timestamp::from_unix_millis(1_767_614_400_000);

/// The workloads of the policy under test.
#[derive(Debug)]
pub(super) struct Policy(Vec<Arc<WorkloadSettings>>);

/// What a case needs to know of its surroundings.
#[derive(Debug)]
pub(super) struct Around<'a> {
    /// `None` where the policy itself has problems.
    pub(super) policy: Option<&'a Policy>,
    pub(super) recordings: &'a mut Recordings,
}

impl Policy {
    pub(super) fn new(workloads: Vec<WorkloadSettings>) -> Self {
        Self(workloads.into_iter().map(Arc::new).collect())
    }

    /// The workload of a case: the one that it names, or the only one.
    fn workload(
        &self,
        name: Option<&At<String>>,
        case: &At<String>,
        reader: &mut Reader<'_>,
    ) -> Option<Arc<WorkloadSettings>> {
        let all = || self.0.iter().map(|workload| workload.id.as_str());
        let Some(name) = name else {
            if let [only] = self.0.as_slice() {
                return Some(Arc::clone(only));
            }
            let message = format!("case `{}` does not say which workload it is about", case.value);
            let help = format!(
                "set workload, here or in [defaults]; the policy has {}",
                listed(all())
            );
            reader.report(absent(message, case.place, help));
            return None;
        };
        let is_meant = |id: &WorkloadId| id.as_str() == name.value || id.name() == name.value;
        let mut found: Vec<_> = self.0.iter().filter(|workload| is_meant(&workload.id)).collect();
        if let Some(exact) = found
            .iter()
            .position(|workload| workload.id.as_str() == name.value)
        {
            return Some(Arc::clone(found.swap_remove(exact)));
        }
        if let [one] = found.as_slice() {
            return Some(Arc::clone(one));
        }
        let (message, help) = if found.is_empty() {
            let help = match nearest(&name.value, all()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the policy has {}", listed(all())),
            };
            (format!("the policy has no workload `{}`", name.value), help)
        } else {
            let candidates = found.iter().map(|workload| workload.id.as_str());
            let help = format!("name one of {}", listed(candidates));
            (format!("`{}` is the name of several workloads", name.value), help)
        };
        let finding = Finding::new(ProblemKind::UnknownName, message).at(name.place);
        reader.report(finding.help(help));
        None
    }
}

/// Reads one case; `None` after reporting what is wrong with it.
pub(super) fn case(
    name: &At<String>,
    raw: &RawCase,
    around: &mut Around<'_>,
    reader: &mut Reader<'_>,
) -> Option<Case> {
    let is_named = check_name(name, reader);
    let interval = span("interval", raw.interval.as_ref(), reader);
    let spacing = span("spacing", raw.spacing.as_ref(), reader);
    let length = span("length", raw.length.as_ref(), reader);
    let start = match &raw.start {
        None => Some(START),
        Some(text) => moment(text, reader),
    };
    let replicas = match &raw.replicas {
        Some(count) => reader.replicas("replicas", count, 0),
        None => {
            let message = format!("case `{}` does not say how many replicas there are", name.value);
            reader.report(absent(
                message,
                name.place,
                "set replicas = 2, the count at the start",
            ));
            None
        }
    };
    let expected = expectations(name, raw, reader);
    let planned = raw.events.iter().flat_map(|events| &events.value);
    let planned: Vec<_> = planned.map(|event| expect::event(event, reader)).collect();
    let planned: Option<Vec<Planned>> = planned.into_iter().collect();

    let workload = around.policy?.workload(raw.workload.as_ref(), name, reader)?;
    let interval = interval?.unwrap_or_else(|| workload.policy.interval.get());
    let spacing = spacing?.unwrap_or(interval);
    let recording = match &raw.recorded {
        None => None,
        Some(path) => Some(around.recordings.get(path, reader)?),
    };
    let mut all = SeriesOfCase {
        spacing,
        list: Vec::new(),
    };
    let inputs = inputs::inputs(name, raw, &workload, recording.as_ref(), &mut all, reader);
    let hold = inputs::hold(raw, &workload, recording.as_ref(), &mut all, reader);
    let ready = match &raw.ready {
        None => Some(None),
        Some(text) => all
            .read(text, reader)
            .and_then(|series| counts("ready", &series, text.place, reader).then_some(Some(series))),
    };
    let (inputs, hold, ready) = (inputs?, hold?, ready?);
    let (expected, planned) = (expected?, planned?);
    let start = start.filter(|_| is_named)?;

    let lasts = Lasts {
        length: length?.zip(raw.length.as_ref().map(|text| text.place)),
        times: expected
            .iter()
            .map(|one| (one.place, one.times))
            .chain(planned.iter().map(|one| (one.place, one.times)))
            .collect(),
        series: &all,
        recording: recording.as_deref(),
    };
    let end = lasts.end(reader)?;
    let passes = passes(name, end, interval, reader)?;
    lasts.all_reach(last_pass(passes, interval), reader)?;
    Some(Case {
        name: name.value.clone(),
        line: line(name.place, reader),
        workload,
        start,
        interval,
        passes,
        replicas: replicas?,
        spacing,
        ready,
        inputs,
        hold,
        events: planned.into_iter().map(|event| event.until(end)).collect(),
        expectations: expected.into_iter().map(|one| one.until(end, reader)).collect(),
    })
}

/// A name is shown on one line.
fn check_name(name: &At<String>, reader: &mut Reader<'_>) -> bool {
    let is_fine = !name.value.trim().is_empty() && !name.value.contains(char::is_control);
    if !is_fine {
        let message = "the name of a case is not empty, and stands on one line";
        let finding = Finding::new(ProblemKind::BadValue, message).at(name.place);
        reader.report(finding.help("say what is shown: [case.\"users arrive\"]"));
    }
    is_fine
}

/// A duration above zero that need not be there.
fn span(
    key: &str,
    text: Option<&At<words::DurationText>>,
    reader: &mut Reader<'_>,
) -> Option<Option<Duration>> {
    match text {
        None => Some(None),
        Some(_) => reader.span(key, text).map(Some),
    }
}

/// A moment with its offset, or with the zone whose clocks it is on.
fn moment(text: &At<MomentText>, reader: &mut Reader<'_>) -> Option<Timestamp> {
    let written = text.value.0.as_str();
    let moment: Option<jiff::Timestamp> = if written.contains('[') {
        written.parse::<jiff::Zoned>().ok().map(|zoned| zoned.timestamp())
    } else {
        written.parse().ok()
    };
    if moment.is_none() {
        let message = format!("`{written}` is no date and time with an offset or a time zone");
        let finding = Finding::new(ProblemKind::BadValue, message).at(text.place);
        let help = "write \"2026-11-27T07:00:00Z\", \"2026-11-27T08:00+01:00\" or \"2026-11-27T08:00[Europe/Berlin]\"";
        reader.report(finding.help(help));
    }
    moment.map(|moment| Timestamp::from_unix_millis(moment.as_millisecond()))
}

fn expectations(name: &At<String>, raw: &RawCase, reader: &mut Reader<'_>) -> Option<Vec<Expected>> {
    let list = raw.expect.as_ref().map_or(&[][..], |expect| &expect.value);
    if list.is_empty() {
        let message = format!("case `{}` expects nothing", name.value);
        let place = raw.expect.as_ref().map_or(name.place, |expect| expect.place);
        let help = "add expect = [{ at = \"5m\", replicas = 4 }]; `headroom test --timeline` shows what there is to expect";
        reader.report(absent(message, place, help));
    }
    // Every one is looked at, also after a wrong one.
    let all: Vec<_> = list.iter().map(|one| expect::expectation(one, reader)).collect();
    all.into_iter().collect()
}

fn line(place: Place, reader: &Reader<'_>) -> usize {
    let source = reader.sources.get(place.source());
    source.map_or(0, |source| source.position(place.span().start).0)
}
