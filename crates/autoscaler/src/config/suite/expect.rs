//! What is expected and what happens: times and keys to types.

use std::time::Duration;

use headroom_policy_engine::{Outcome, Replicas};

use super::{
    super::{
        at::At,
        place::Place,
        problem::{Finding, ProblemKind},
        reader::{Reader, absent, conflict},
        words::{self, DurationText},
    },
    codes,
    raw::{RawCourse, RawEvent, RawExpectation, StepWord, WritesEvent},
};
use crate::{
    OverrideAsks, ScaleDown,
    policy_test::{Claim, Course, During, Event, Expectation, Happening, When},
};

/// When something is expected or happens, as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    At(Duration),
    /// Both ends are included. Without an end it goes on to that of the case.
    Span {
        from: Duration,
        to: Option<Duration>,
    },
    By {
        from: Duration,
        by: Duration,
    },
}

impl Times {
    /// The last moment that was written.
    pub(super) fn last(self) -> Duration {
        match self {
            Self::At(at) => at,
            Self::Span { from, to } => to.unwrap_or(from),
            Self::By { by, .. } => by,
        }
    }
}

/// An expectation before the end of its case is known.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) place: Place,
    pub(super) times: Times,
    claims: Vec<Claim>,
}

/// An event before the end of its case is known.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) place: Place,
    pub(super) times: Times,
    what: Happening,
}

impl Expected {
    /// In a case that ends at `end`.
    pub(super) fn until(self, end: Duration, reader: &Reader<'_>) -> Expectation {
        let when = match self.times {
            Times::At(at) => When::At(at),
            Times::Span { from, to } => When::Every {
                from,
                to: to.unwrap_or(end),
            },
            Times::By { from, by } => When::Once { from, by },
        };
        let span = self.place.span();
        let source = reader.sources.get(self.place.source());
        let text = source.map(|source| match source.text().get(span.clone()) {
            Some(inline) if inline.starts_with('{') && !inline.contains('\n') => inline,
            Some(_) | None => source.line(span.start).trim(),
        });
        Expectation {
            line: source.map_or(0, |source| source.position(span.start).0),
            text: text.unwrap_or_default().to_owned(),
            when,
            claims: self.claims,
        }
    }
}

impl Planned {
    /// In a case that ends at `end`.
    pub(super) fn until(self, end: Duration) -> Event {
        let during = match self.times {
            Times::At(at) => During::Next(at),
            Times::Span { from, to } => During::Span {
                from,
                to: to.unwrap_or(end),
            },
            Times::By { from, by } => During::Span { from, to: by },
        };
        Event {
            during,
            what: self.what,
        }
    }
}

/// Reads an expectation.
pub(super) fn expectation(raw: &At<RawExpectation>, reader: &mut Reader<'_>) -> Option<Expected> {
    let RawExpectation { at, from, to, by, .. } = &raw.value;
    let times = times([at, from, to, by], reader);
    let claims = claims(&raw.value, reader)?;
    if claims.is_empty() {
        let finding = absent(
            "nothing is expected here",
            raw.place,
            "say what: replicas = 4, min, max, recommended, decision, reason, steps, without or max_changes",
        );
        reader.report(finding);
        return None;
    }
    if let (Some(changes), Some(by)) = (&raw.value.max_changes, by) {
        let finding = conflict(
            "changes are counted over a span, and `by` is about one pass",
            &[("by", by.place), ("max_changes", changes.place)],
            "write `to` instead of `by`, or expect the two apart",
        );
        reader.report(finding);
        return None;
    }
    Some(Expected {
        place: raw.place,
        times: times?,
        claims,
    })
}

/// Reads `at`, `from`, `to` and `by`.
fn times([at, from, to, by]: [&Option<At<DurationText>>; 4], reader: &mut Reader<'_>) -> Option<Times> {
    let given = [("at", at), ("from", from), ("to", to), ("by", by)];
    let given = given.map(|(key, text)| text.as_ref().map(|text| (key, text.place)));
    let [at_place, from_place, to_place, by_place] = given;
    let clash = match (at_place, by_place, to_place, from_place) {
        (Some(at), Some(other), _, _)
        | (Some(at), None, Some(other), _)
        | (Some(at), None, None, Some(other)) => Some([at, other]),
        (None, Some(by), Some(to), _) => Some([by, to]),
        (None, Some(_), None, _) | (None, None, _, _) | (Some(_), None, None, None) => None,
    };
    let mut read = |text: &Option<At<DurationText>>| match text {
        None => Some(None),
        Some(_) => reader.duration(text.as_ref()).map(|span| Some(span.value)),
    };
    let (at, from, to, by) = (read(at), read(from), read(to), read(by));
    if let Some(keys) = clash {
        let help = "`at` is one moment, `from` and `to` every pass of a span, `by` one pass until then";
        reader.report(conflict("these times say two different things", &keys, help));
        return None;
    }
    let (at, from, to, by) = (at?, from?, to?, by?);
    let from = from.unwrap_or_default();
    if let (Some(end), Some((_, place))) = (to.or(by), to_place.or(by_place))
        && end < from
    {
        let finding = Finding::new(ProblemKind::Conflict, "the span ends before it begins");
        let finding = from_place
            .into_iter()
            .fold(finding, |finding, (_, place)| finding.at(place));
        reader.report(finding.at(place).help("exchange the two times"));
        return None;
    }
    Some(match (at, by) {
        (Some(at), _) => Times::At(at),
        (None, Some(by)) => Times::By { from, by },
        (None, None) => Times::Span { from, to },
    })
}

fn claims(raw: &RawExpectation, reader: &mut Reader<'_>) -> Option<Vec<Claim>> {
    let mut claims = Vec::new();
    let mut fine = true;
    let mut count = |key: &str, number: &Option<At<i64>>, claim: fn(Replicas) -> Claim| {
        if let Some(number) = number {
            let count = reader.replicas(key, number, 0);
            fine &= count.is_some();
            claims.extend(count.map(claim));
        }
    };
    count("replicas", &raw.replicas, Claim::Replicas);
    count("min", &raw.min, Claim::Min);
    count("max", &raw.max, Claim::Max);
    count("recommended", &raw.recommended, Claim::Recommended);
    if let (Some(min), Some(max)) = (&raw.min, &raw.max)
        && min.value > max.value
    {
        let keys = [("min", min.place), ("max", max.place)];
        reader.report(conflict(
            "no count is above one and below the other",
            &keys,
            "exchange them",
        ));
        fine = false;
    }
    if let Some(decision) = &raw.decision {
        claims.push(Claim::Decision(match decision.value {
            RawCourse::Up => Course::Up,
            RawCourse::Down => Course::Down,
            RawCourse::Hold => Course::Hold,
        }));
    }
    claims.extend(raw.reason.as_ref().map(|reason| Claim::Reason(reason.value.0)));
    claims.extend(of_steps(raw.steps.as_ref(), Claim::Step));
    claims.extend(of_steps(raw.without.as_ref(), Claim::NoStep));
    if let Some(most) = &raw.max_changes {
        match usize::try_from(most.value) {
            Ok(most) => claims.push(Claim::MaxChanges(most)),
            Err(_) => {
                let message = format!("`max_changes` is a number of changes, not {}", most.value);
                let finding = Finding::new(ProblemKind::BadValue, message).at(most.place);
                reader.report(finding.help("write 0, or how many changes are fine"));
                fine = false;
            }
        }
    }
    fine.then_some(claims)
}

/// One claim for each step. A code that is none was refused before.
fn of_steps(
    steps: Option<&At<Vec<At<StepWord>>>>,
    claim: fn(&'static str) -> Claim,
) -> impl Iterator<Item = Claim> {
    let words = steps.into_iter().flat_map(|steps| &steps.value);
    let known = words.filter_map(|word| codes::steps().iter().find(|code| **code == word.value.0));
    known.map(move |code| claim(code))
}

/// Reads an event.
pub(super) fn event(raw: &At<RawEvent>, reader: &mut Reader<'_>) -> Option<Planned> {
    let RawEvent { at, from, to, .. } = &raw.value;
    let times = times([at, from, to, &None], reader);
    let mut all = happenings(&raw.value, reader)?;
    let (key, what) = match (all.pop(), all.pop()) {
        (Some(one), None) => one,
        (None, _) => {
            let help = "say what: replicas, writes, paused, min, max, hold_down, failing, target or passes";
            reader.report(absent("nothing happens here", raw.place, help));
            return None;
        }
        (Some(one), Some(other)) => {
            let help = "write an event for each, with the same times";
            reader.report(conflict(
                "two things happen in one event",
                &[other.0, one.0],
                help,
            ));
            return None;
        }
    };
    let times = times?;
    if what.is_once() && !matches!(times, Times::At(_)) {
        let message = format!("`{}` happens once, and not over a span", key.0);
        let finding = Finding::new(ProblemKind::Conflict, message).at(key.1);
        reader.report(finding.help("say when: at = \"5m\""));
        return None;
    }
    Some(Planned {
        place: raw.place,
        times,
        what,
    })
}

/// What happens, each with its key and place.
type Happened<'a> = ((&'a str, Place), Happening);

fn happenings(raw: &RawEvent, reader: &mut Reader<'_>) -> Option<Vec<Happened<'static>>> {
    let mut all: Vec<Happened<'static>> = Vec::new();
    let mut fine = true;
    let mut count =
        |key: &'static str, number: &Option<At<i64>>, least, happening: fn(Replicas) -> Happening| {
            if let Some(number) = number {
                let count = reader.replicas(key, number, least);
                fine &= count.is_some();
                all.extend(count.map(|count| ((key, number.place), happening(count))));
            }
        };
    count("replicas", &raw.replicas, 0, Happening::Replicas);
    count("failing", &raw.failing, 1, Happening::Failing);
    if let Some(writes) = &raw.writes {
        let outcome = match writes.value {
            WritesEvent::Fail => Outcome::Failed,
            WritesEvent::Conflict => Outcome::Conflict,
        };
        all.push((("writes", writes.place), Happening::Writes(outcome)));
    }
    if let Some(paused) = &raw.paused {
        if paused.value {
            all.push((("paused", paused.place), Happening::Paused));
        } else {
            let finding = Finding::new(
                ProblemKind::BadValue,
                "no workload is paused unless an event says so",
            );
            reader.report(finding.at(paused.place).help("give the pause an end with `to`"));
            fine = false;
        }
    }
    match overriding(raw, reader) {
        Some(asks) => all.extend(asks),
        None => fine = false,
    }
    if let Some(target) = &raw.target {
        all.push((("target", target.place), Happening::Unreadable));
    }
    if let Some(passes) = &raw.passes {
        all.push((("passes", passes.place), Happening::NoPass));
    }
    fine.then_some(all)
}

/// What a person asks for instead of what the policy says, with the first of its keys.
fn overriding(raw: &RawEvent, reader: &mut Reader<'_>) -> Option<Option<Happened<'static>>> {
    let key = |key, place: Option<Place>| place.map(|place| (key, place));
    let keys = [
        key("min", raw.min.as_ref().map(|at| at.place)),
        key("max", raw.max.as_ref().map(|at| at.place)),
        key("hold_down", raw.hold_down.as_ref().map(|at| at.place)),
    ];
    let Some(first) = keys.into_iter().flatten().next() else {
        return Some(None);
    };
    let mut count = |key, number: Option<&At<i64>>| match number {
        None => Some(None),
        Some(number) => reader.replicas(key, number, 1).map(Some),
    };
    let (min, max) = (count("min", raw.min.as_ref()), count("max", raw.max.as_ref()));
    let scale_down = match raw.hold_down.as_ref().map(|at| at.value) {
        Some(true) => ScaleDown::Held,
        Some(false) | None => ScaleDown::Allowed,
    };
    match OverrideAsks::new(min?, max?, scale_down) {
        Ok(asks) => Some(Some((first, Happening::Override(asks)))),
        Err(error) => {
            let places = keys.into_iter().flatten();
            let finding = Finding::new(ProblemKind::BadValue, error.to_string());
            let finding = places.fold(finding, |finding, (_, place)| finding.at(place));
            reader.report(finding.help("ask for min, max or hold_down = true, with min at most max"));
            None
        }
    }
}

/// A time after the end that `length` sets.
pub(super) fn after_the_end(place: Place, times: Times, length: Duration, length_place: Place) -> Finding {
    let message = format!(
        "{} is after the end, {}",
        words::duration_text(times.last()),
        words::duration_text(length)
    );
    Finding::new(ProblemKind::Conflict, message)
        .at(place)
        .labelled(length_place, "`length`")
        .help("raise `length`, or leave it out: a case lasts until its last expectation")
}
