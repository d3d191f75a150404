//! Schedules: when floors and ceilings are in force.
//!
//! Times on the wall need a zone, which somebody has to name: that of the machine is nobody's wish.

use headroom_policy_engine::{ActiveBound, ActiveBounds, BoundSource, ReplicaBounds, Replicas, ScheduleName};
use jiff::{civil::DateTime, tz::TimeZone};

use super::{
    at::At,
    check::nearest,
    lint::Lint,
    place::Place,
    problem::{Finding, ProblemKind},
    raw::{RawSchedule, RawWorkload},
    reader::{Reader, absent, conflict},
    servers::check_name,
    words::{CronText, DurationText, MomentText, ZoneText},
};
use crate::{
    CronExpression, CronSyntaxError, Recurrence, Schedule, When, Window,
    schedule::{first_moment, moment_of},
};

/// Shorter names of zones are near to too many others.
const SHORTEST_NEAR_NAME: usize = 5;

/// Reads the schedules of a workload; `None` after reporting what is wrong with one.
pub(super) fn schedules(
    raw: &RawWorkload,
    bounds: Option<ReplicaBounds>,
    reader: &mut Reader<'_>,
) -> Option<Vec<Schedule>> {
    let own = raw.timezone.as_ref();
    // Also looked at where no schedule is.
    let is_zone = own.is_none_or(|text| zone(text, reader).is_some());
    let listed = raw.schedule.as_ref().map_or(&[][..], |schedules| &schedules.0);
    let read: Vec<_> = listed
        .iter()
        .map(|(name, raw)| schedule(name, raw, own, bounds, reader))
        .collect();
    read.into_iter().collect::<Option<_>>().filter(|_| is_zone)
}

fn schedule(
    name: &At<String>,
    raw: &RawSchedule,
    workload_zone: Option<&At<ZoneText>>,
    bounds: Option<ReplicaBounds>,
    reader: &mut Reader<'_>,
) -> Option<Schedule> {
    let named = check_name("a schedule", name, reader);
    let when = when(name, raw, raw.timezone.as_ref().or(workload_zone), reader);
    let asked = replicas(name, raw, reader)?;
    if let Some(own) = bounds {
        warn_of_bounds(name, raw, asked, own, reader);
    }
    let name = ScheduleName::new(&name.value);
    let bound = |replicas: Option<Replicas>| {
        let by = BoundSource::Schedule(name.clone());
        // What no bound can be was reported.
        replicas.and_then(|replicas| ActiveBound::new(replicas, by).ok())
    };
    let bounds = ActiveBounds {
        floor: bound(asked.0),
        ceiling: bound(asked.1),
    };
    named.then_some(Schedule {
        when: when?,
        bounds,
        name,
    })
}

/// The floor and the ceiling, one of them at least.
fn replicas(
    name: &At<String>,
    raw: &RawSchedule,
    reader: &mut Reader<'_>,
) -> Option<(Option<Replicas>, Option<Replicas>)> {
    let mut read = |key: &str, number: &Option<At<i64>>| match number {
        None => Some(None),
        Some(number) => reader.replicas(key, number, 1).map(Some),
    };
    let floor = read("min_replicas", &raw.min_replicas);
    let ceiling = read("max_replicas", &raw.max_replicas);
    let (floor, ceiling) = (floor?, ceiling?);
    if floor.is_none() && ceiling.is_none() {
        let message = format!("schedule `{}` asks for nothing", name.value);
        reader.report(absent(
            message,
            name.place,
            "set min_replicas = 20, max_replicas = 60, or both",
        ));
        return None;
    }
    if let (Some(min), Some(max), Some(min_at), Some(max_at)) =
        (floor, ceiling, &raw.min_replicas, &raw.max_replicas)
        && min > max
    {
        let message = format!("the minimum, {min}, is above the maximum, {max}");
        let finding = Finding::new(ProblemKind::BadValue, message)
            .at(min_at.place)
            .at(max_at.place);
        reader.report(finding.help("raise max_replicas or lower min_replicas"));
        return None;
    }
    Some((floor, ceiling))
}

/// Says where the floor that wins is not the one that a reader of the schedule would expect.
fn warn_of_bounds(
    name: &At<String>,
    raw: &RawSchedule,
    (floor, ceiling): (Option<Replicas>, Option<Replicas>),
    own: ReplicaBounds,
    reader: &mut Reader<'_>,
) {
    let name = &name.value;
    match (floor, ceiling, &raw.min_replicas, &raw.max_replicas) {
        (Some(floor), None, Some(at), _) if floor > own.max() => {
            let warning = format!(
                "schedule `{name}` asks for at least {floor}, above `max_replicas`, {}; the floor wins, so there will be exactly \
                 {floor}: set the schedule's max_replicas too if there may be more",
                own.max()
            );
            reader.lint(Lint::ScheduleBesideTheBounds, at.place, &warning);
        }
        (None, Some(ceiling), _, Some(at)) if ceiling < own.min() => {
            let warning = format!(
                "schedule `{name}` allows at most {ceiling}, below `min_replicas`, {}; the floor wins, so there will be exactly {}: \
                 set the schedule's min_replicas too if there may be fewer",
                own.min(),
                own.min()
            );
            reader.lint(Lint::ScheduleBesideTheBounds, at.place, &warning);
        }
        (_, _, _, _) => {}
    }
}

/// When the schedule is in force.
fn when(
    name: &At<String>,
    raw: &RawSchedule,
    zone: Option<&At<ZoneText>>,
    reader: &mut Reader<'_>,
) -> Option<When> {
    let name_of = &name.value;
    match (&raw.cron, &raw.duration, &raw.from, &raw.until) {
        (None, None, None, None) => {
            let message = format!("schedule `{name_of}` does not say when it is in force");
            let help = "set cron = \"0 8 * * 1-5\" and duration = \"10h\", or for once from = \"2026-11-27T08:00\" and until = \
                        \"2026-11-28T00:00\"";
            reader.report(absent(message, name.place, help));
            None
        }
        (Some(cron), Some(duration), None, None) => {
            recurring(name, cron, duration, zone, reader).map(When::Recurring)
        }
        (None, None, Some(from), Some(until)) => once(name, from, until, zone, reader).map(When::Once),
        (Some(_), None, None, None) => {
            let message = format!("schedule `{name_of}` does not say for how long it is in force");
            reader.report(absent(message, name.place, "set duration = \"10h\" beside cron"));
            None
        }
        (None, Some(_), None, None) => {
            let message = format!("schedule `{name_of}` does not say when it begins to be in force");
            reader.report(absent(
                message,
                name.place,
                "set cron = \"0 8 * * 1-5\" beside duration",
            ));
            None
        }
        (None, None, Some(_), None) => {
            let message = format!("schedule `{name_of}` does not say until when it is in force");
            reader.report(absent(
                message,
                name.place,
                "set until = \"2026-11-28T00:00\" beside from",
            ));
            None
        }
        (None, None, None, Some(_)) => {
            let message = format!("schedule `{name_of}` does not say from when it is in force");
            reader.report(absent(
                message,
                name.place,
                "set from = \"2026-11-27T08:00\" beside until",
            ));
            None
        }
        (cron, duration, from, until) => {
            let keys = [
                ("cron", cron.as_ref().map(|at| at.place)),
                ("duration", duration.as_ref().map(|at| at.place)),
                ("from", from.as_ref().map(|at| at.place)),
                ("until", until.as_ref().map(|at| at.place)),
            ];
            let keys: Vec<_> = keys
                .into_iter()
                .filter_map(|(key, place)| Some((key, place?)))
                .collect();
            let message = format!("schedule `{name_of}` is in force both again and again and once");
            let help = "keep cron and duration, or from and until; a second schedule may have the others";
            reader.report(conflict(message, &keys, help));
            None
        }
    }
}

fn recurring(
    name: &At<String>,
    cron: &At<CronText>,
    duration: &At<DurationText>,
    zone: Option<&At<ZoneText>>,
    reader: &mut Reader<'_>,
) -> Option<Recurrence> {
    let expression = expression(cron, reader);
    let duration = reader.span("duration", Some(duration));
    let zone = needed_zone(name, cron.place, zone, reader);
    Some(Recurrence {
        cron: expression?,
        zone: zone?,
        duration: duration?,
    })
}

pub(super) fn expression(text: &At<CronText>, reader: &mut Reader<'_>) -> Option<CronExpression> {
    let parsed: Result<CronExpression, CronSyntaxError> = text.value.0.parse();
    parsed
        .map_err(|error| {
            let place = match &error {
                CronSyntaxError::Field { at, .. } => reader.part(text.place, &text.value.0, at.clone()),
                CronSyntaxError::Fields { .. }
                | CronSyntaxError::Name { .. }
                | CronSyntaxError::Never { .. } => text.place,
            };
            let finding = Finding::new(ProblemKind::BadValue, error.to_string()).at(place);
            reader.report(finding.help(error.help()));
        })
        .ok()
}

fn once(
    name: &At<String>,
    from: &At<MomentText>,
    until: &At<MomentText>,
    zone: Option<&At<ZoneText>>,
    reader: &mut Reader<'_>,
) -> Option<Window> {
    let first = moment(name, from, zone, reader);
    let end = moment(name, until, zone, reader);
    let (first, end) = (first?, end?);
    if end <= first {
        let message = format!("schedule `{}` ends no later than it begins", name.value);
        let finding = Finding::new(ProblemKind::BadValue, message)
            .labelled(from.place, "it begins here")
            .labelled(until.place, "and ends here");
        reader.report(finding.help("let `until` be after `from`"));
        return None;
    }
    Some(Window {
        from: moment_of(first),
        until: moment_of(end),
    })
}

/// A moment that is written with its offset, or as a time on the clocks of the zone.
fn moment(
    name: &At<String>,
    text: &At<MomentText>,
    zone: Option<&At<ZoneText>>,
    reader: &mut Reader<'_>,
) -> Option<jiff::Timestamp> {
    let written = text.value.0.as_str();
    if let Ok(moment) = written.parse() {
        return Some(moment);
    }
    // A zone in brackets would be read over.
    let local = written
        .parse::<DateTime>()
        .ok()
        .filter(|_| !written.contains('['));
    let found = match local {
        Some(local) => first_moment(&needed_zone(name, text.place, zone, reader)?, local),
        None => None,
    };
    if found.is_none() {
        let message = format!("`{written}` is no date and time");
        let finding = Finding::new(ProblemKind::BadValue, message).at(text.place);
        reader.report(finding.help(
            "write \"2026-11-27T08:00\" for a time on the clocks of the schedule's timezone, or with its offset: \
             \"2026-11-27T08:00+01:00\"",
        ));
    }
    found
}

/// The zone whose clocks a time at `place` is on.
fn needed_zone(
    name: &At<String>,
    place: Place,
    zone: Option<&At<ZoneText>>,
    reader: &mut Reader<'_>,
) -> Option<TimeZone> {
    let Some(text) = zone else {
        let message = format!(
            "schedule `{}` does not say which time zone its times are in",
            name.value
        );
        let help = "set timezone = \"Europe/Berlin\" in the schedule, the workload or [defaults]";
        reader.report(absent(message, place, help));
        return None;
    };
    self::zone(text, reader)
}

pub(super) fn zone(text: &At<ZoneText>, reader: &mut Reader<'_>) -> Option<TimeZone> {
    let name = text.value.0.as_str();
    let found = TimeZone::get(name).ok().filter(|zone| !zone.is_unknown());
    if found.is_none() {
        let message = format!("there is no time zone `{name}`");
        let finding = Finding::new(ProblemKind::UnknownName, message).at(text.place);
        let help = "zones are named by continent and city, as in the IANA time zone database: timezone = \"Europe/Berlin\"";
        reader.report(finding.help(match near_zone(name) {
            Some(near) => format!("did you mean `{near}`?"),
            None => help.to_owned(),
        }));
    }
    found
}

/// The zone of that city, or the one that is nearly called so.
fn near_zone(name: &str) -> Option<String> {
    let known: Vec<String> = jiff::tz::db()
        .available()
        .map(|known| known.to_string())
        .collect();
    let city = |known: &&String| {
        let last = known.rsplit('/').next().unwrap_or_default();
        last.eq_ignore_ascii_case(name)
    };
    let near = || {
        let known = known.iter().map(String::as_str);
        nearest(name, known).filter(|_| name.len() >= SHORTEST_NEAR_NAME)
    };
    let found = known.iter().find(city).map(String::as_str).or_else(near);
    found.map(str::to_owned)
}
