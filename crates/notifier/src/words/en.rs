//! The words in English. What the engine has words for is said in those.

mod conditions;

use std::time::Duration;

use headroom_policy_engine::{
    Direction, Hold, MetricName, Number, Operator, RaisedCondition, Replicas, Span, Step,
};
use jiff::Zoned;

use super::{
    Clock, Group, Label, Mark, Words,
    digest::{self, in_hours},
    group::Workloads,
    next::Next,
    time,
};
use crate::{Change, Digest, Event, Failure, Notice, Stage, Unknown, UnknownMetric, WorkloadDigest};

/// English.
pub(super) struct English;

impl Words for English {
    fn mark(&self, mark: Mark) -> &'static str {
        match mark {
            Mark::Info => "Info",
            Mark::Warning => "Warning",
            Mark::Critical => "Critical",
            Mark::Resolved => "Resolved",
        }
    }

    fn and_others(&self, also: u32) -> String {
        format!(" and {also} more")
    }

    fn label(&self, label: Label) -> &'static str {
        match label {
            Label::Why => "Why",
            Label::Next => "Next",
            Label::Command => "More",
            Label::At => "At",
            Label::Cluster => "Cluster",
            Label::Workload => "Workload",
            Label::Replicas => "Replicas",
            Label::Needed => "Needed",
            Label::Maximum => "Maximum",
            Label::Minimum => "Minimum",
            Label::Measured => "Measured",
            Label::Threshold => "Threshold",
            Label::Since => "Since",
            Label::Lasted => "Lasted",
            Label::Until => "Until",
            Label::By => "By",
            Label::TheirReason => "Reason given",
            Label::Runbook => "Runbook",
            Label::Dashboard => "Dashboard",
        }
    }

    fn test(&self) -> &'static str {
        "[test] "
    }

    fn what(&self, notice: &Notice, clock: &Clock<'_>) -> String {
        let is_closed = matches!(notice.stage, Stage::Closed { .. });
        match &notice.event {
            Event::Scaled { from, to, .. } => format!("{from} → {}", of_replicas(*to)),
            Event::AtMax { max, .. } if is_closed => format!("at its maximum of {}", of_replicas(*max)),
            Event::AtMax { max, wanted, .. } => {
                let max = of_replicas(*max);
                format!("at its maximum of {max}, and the load would need {wanted}")
            }
            Event::AtMin { min, .. } if is_closed => format!("at its minimum of {}", of_replicas(*min)),
            Event::AtMin { min, wanted, .. } => {
                let min = of_replicas(*min);
                format!("at its minimum of {min}, and the load would need {wanted}")
            }
            Event::Fallback { replicas, .. } => {
                format!(
                    "the load is unknown, and the fallback keeps {}",
                    of_replicas(*replicas)
                )
            }
            Event::Recovered { from } => {
                let known = match from {
                    Unknown::Fallback => "the load is known again",
                    Unknown::Blind => "all metrics are known again",
                };
                self.after(known, notice.stage)
            }
            Event::Held { condition } | Event::ResetBy { condition } => conditions::what(condition),
            Event::Blind { metrics } => blind(metrics),
            Event::Error { failure } => failed(failure, notice.stage),
            Event::Paused { operator, until } => {
                let by = by(operator);
                match until {
                    Some(until) => format!("paused{by} until {}", clock.short(*until)),
                    None => format!("paused{by}"),
                }
            }
            Event::Resumed => self.after("resumed", notice.stage),
            Event::Overridden {
                operator,
                min,
                max,
                holds_scale_down,
                until: _,
            } => {
                let asks = overridden(*min, *max, *holds_scale_down);
                format!("override{}: {asks}", by(operator))
            }
            Event::PolicyChanged { changes } => match changes.as_slice() {
                [one] => format!("policy changed: {}", self.changed(one)),
                several => format!("policy changed in {} places", several.len()),
            },
            Event::Threshold {
                metric,
                above,
                is_ratio,
                lasting,
                value: _,
            } => {
                let (above, lasting) = (self.measured(*above, *is_ratio), self.span(*lasting));
                format!("{metric} above {above} for {lasting}")
            }
            Event::Digest(digest) => summary(digest, clock),
        }
    }

    fn ended(&self, event: &Event, after: Duration) -> String {
        let word = if matches!(event, Event::Overridden { .. }) {
            "ended"
        } else {
            "resolved"
        };
        format!("{word} after {}", Span(after))
    }

    fn step(&self, step: &Step) -> String {
        step.to_string()
    }

    fn condition(&self, condition: &RaisedCondition) -> Option<String> {
        let said = condition.to_string();
        (said != conditions::what(condition)).then_some(said)
    }

    fn unknown(&self, metric: &UnknownMetric) -> String {
        match super::error_beyond(metric) {
            Some(error) => format!("{}: {}, {error}", metric.name, metric.seen),
            None => format!("{}: {}", metric.name, metric.seen),
        }
    }

    fn above(&self, metric: &MetricName, measured: &str, above: &str, lasting: &str) -> String {
        format!("{metric} is {measured} and has been above {above} for {lasting}")
    }

    fn together(&self, said: &[String]) -> String {
        said.join("; ")
    }

    fn next(&self, next: &Next<'_>, clock: &Clock<'_>) -> String {
        match next {
            Next::Towards { replicas, after } => {
                format!(
                    "can go on towards {replicas} {}, if the load stays",
                    within(*after)
                )
            }
            Next::To { replicas, after } => {
                format!("could go to {replicas} {}, if the load stays", within(*after))
            }
            Next::NotBefore { replicas, after } => {
                let within = within(*after);
                format!("could go to {replicas} {within} at the earliest, if the load stays")
            }
            Next::Restored { replicas, after } => {
                format!("{} again {}", of_replicas(*replicas), within(*after))
            }
            Next::Asks {
                metric,
                replicas,
                after,
            } => {
                let after = if after.is_zero() {
                    "with its next sample".to_owned()
                } else {
                    format!("in {}", Span(*after))
                };
                format!("{metric} asks for {replicas} {after}, if it stays there")
            }
            Next::Over { hold, after } => over(hold, *after),
            Next::Off => "scaling is off until somebody sets another count than zero".to_owned(),
            Next::InNextPass => "may change in the next pass".to_owned(),
            Next::Ready => "more can be added once the replicas that are starting are ready".to_owned(),
            Next::Known { metric } => format!("can fall once {metric} is known in full again"),
            Next::AsksForLess { metric } => format!("can fall once {metric} asks for less too"),
            Next::Selector => {
                "metrics are looked at once the target has a selector of its own that can be read".to_owned()
            }
            Next::Recovers => "the load decides again once it has been known for long enough".to_owned(),
            Next::SwitchedOff { direction } => match direction {
                Direction::Up => "nothing is added until scaling up is switched on".to_owned(),
                Direction::Down => "nothing is removed until scaling down is switched on".to_owned(),
            },
            Next::Maximum => "no more are added unless the maximum is raised".to_owned(),
            Next::Minimum => "no more are removed unless the minimum is lowered".to_owned(),
            Next::While { condition } => conditions::meanwhile(condition).to_owned(),
            Next::Blind => "decided about with what is known, until all metrics are".to_owned(),
            Next::After { failure } => match failure {
                Failure::Unreadable { .. } => "nothing is decided until the target can be read".to_owned(),
                Failure::NotWritten { .. } => "tried again in the next pass, if the load stays".to_owned(),
                Failure::NotConfirmed { .. } => {
                    "the next pass that can read the target finds out, and goes on from what is there"
                        .to_owned()
                }
                Failure::Pass { .. } => "tried again with the next pass".to_owned(),
                Failure::Channel { .. } => "what it did not take is tried again".to_owned(),
            },
            Next::Ends { at } => format!("ends by itself at {}", clock.short(*at)),
            Next::Resume { workload } => {
                format!("lasts until somebody resumes it: headroom resume {workload}")
            }
            Next::Cancel { workload } => {
                format!("lasts until somebody ends it: headroom override {workload} --clear")
            }
        }
    }

    fn changed(&self, change: &Change) -> String {
        let key = &change.key;
        match (&change.before, &change.after) {
            (Some(before), Some(after)) => format!("{key}: {before} → {after}"),
            (None, Some(after)) => format!("{key}: {after}, new"),
            (Some(before), None) => format!("{key}: {before}, removed"),
            (None, None) => key.to_string(),
        }
    }

    fn of_workload(&self, of: &WorkloadDigest, clock: &Clock<'_>) -> String {
        let mut said = vec![plural(u64::from(of.changes), "change")];
        if let Some(counts) = &of.counts {
            let (most, at) = (of_replicas(counts.most), clock.short(counts.most_at));
            said.push(format!("most {most} at {at}"));
        }
        if !of.at_max.is_zero() {
            said.push(format!("{} at maximum", self.span(of.at_max)));
        }
        if !of.blind.is_zero() {
            said.push(format!("{} with metrics unknown", self.span(of.blind)));
        }
        if !of.unreadable.is_zero() {
            said.push(format!("could not be read for {}", self.span(of.unreadable)));
        }
        if of.errors > 0 {
            said.push(plural(u64::from(of.errors), "failure"));
        }
        if let Some(counts) = &of.counts {
            said.push(compared((counts.replica_hours, counts.fixed_hours)));
        }
        format!("{}: {}", super::name(of.workload.as_str()), said.join(", "))
    }

    fn span(&self, span: Duration) -> String {
        Span(span).to_string()
    }

    fn measured(&self, value: f64, is_ratio: bool) -> String {
        if is_ratio {
            format!("{} %", Number(value * 100.0))
        } else {
            Number(value).to_string()
        }
    }

    fn moment(&self, at: &Zoned) -> String {
        at.strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
    }

    fn day_and_time(&self, at: &Zoned) -> String {
        format!("{} {}", at.strftime("%-d %b"), time(at))
    }

    fn group(&self, group: &Group<'_>, clock: &Clock<'_>) -> String {
        match group {
            Group::Changes {
                from,
                to,
                changes,
                since,
            } => {
                let since = clock.short(*since);
                format!("{from} → {} in {changes} changes since {since}", of_replicas(*to))
            }
            Group::OfOne {
                newest,
                earlier,
                since,
            } => {
                let what = super::Text::what(newest, clock);
                let earlier = plural(as_u64(*earlier), "more notice");
                format!("{what}, and {earlier} since {}", clock.short(*since))
            }
            Group::OfSeveral {
                notices,
                workloads,
                since,
            } => {
                let notices = plural(as_u64(*notices), "notice");
                let workloads = match *workloads {
                    Workloads::Exactly(count) => plural(as_u64(count), "workload"),
                    Workloads::AtLeast(count) => format!("at least {}", plural(as_u64(count), "workload")),
                };
                format!("{notices} about {workloads} since {}", clock.short(*since))
            }
        }
    }

    fn more(&self, lines: usize) -> String {
        format!("and {lines} more")
    }

    fn left_out(&self, notices: u32) -> String {
        let (notices, were) = match notices {
            1 => ("1 notice".to_owned(), "was"),
            several => (format!("{several} notices"), "were"),
        };
        format!("{notices} before this {were} left out, because there were too many.")
    }
}

impl English {
    fn after(&self, what: &str, stage: Stage) -> String {
        match stage {
            Stage::Closed { after } => format!("{what} after {}", self.span(after)),
            Stage::Once | Stage::Opened => what.to_owned(),
        }
    }
}

/// All of a digest, in short.
fn summary(digest: &Digest, clock: &Clock<'_>) -> String {
    let when = if digest::is_of_yesterday(digest, clock) {
        "yesterday".to_owned()
    } else {
        let [since, until] =
            [digest.since, digest.until].map(|at| clock.words.day_and_time(&clock.local(at)));
        format!("{since} to {until}")
    };
    let changes = plural(digest::changes(digest), "change");
    let workloads = plural(as_u64(digest.workloads.len()), "workload");
    let mut said = format!("{when}: {changes} in {workloads}");
    if digest.quiet > 0 {
        super::write_into(&mut said, format_args!(", {} quiet", digest.quiet));
    }
    if let Some(hours) = digest::hours(digest) {
        super::write_into(&mut said, format_args!(", {}", compared(hours)));
    }
    said
}

fn compared((replica_hours, fixed_hours): (f64, f64)) -> String {
    let [ours, fixed] = [replica_hours, fixed_hours].map(in_hours);
    format!("{ours} replica-hours against {fixed} fixed")
}

fn within(after: Duration) -> String {
    if after.is_zero() {
        "in the next pass".to_owned()
    } else {
        format!("in {}", Span(after))
    }
}

/// When a change can be made that `hold` keeps from being made.
fn over(hold: &Hold, after: Option<Duration>) -> String {
    let once = match hold {
        Hold::Paused { .. } => "somebody resumes scaling",
        Hold::SecondScaler { .. } => "only one of the two scales it",
        Hold::SecondHeadroom { .. } => "somebody sets the count",
        Hold::RequestsSet { .. } => "nothing sets the requests that the count follows",
        Hold::BeingDeleted => return "nothing more: it is on its way out".to_owned(),
        Hold::FailingToStart { .. } => "replicas start and stay up",
        Hold::ScaleDownHeld { .. } => "scaling down is allowed again",
        Hold::RollingOut { .. } => "the rollout is done",
        Hold::Contested { .. } => "the count is left alone",
        Hold::FleetBrake { .. } => "the brake lets go",
    };
    match (hold, after) {
        (Hold::Contested { .. }, Some(after)) => format!("changes {}, if {once}", within(after)),
        (_, Some(after)) => format!("changes once {once}, at the latest {}", within(after)),
        (_, None) => format!("changes once {once}"),
    }
}

fn blind(metrics: &[UnknownMetric]) -> String {
    match metrics {
        [one] => format!("{} is not known in full", one.name),
        several => format!("{} metrics are not known in full", several.len()),
    }
}

fn failed(failure: &Failure, stage: Stage) -> String {
    match failure {
        Failure::Unreadable { .. } => "the target cannot be read".to_owned(),
        Failure::NotWritten { from, to, .. } => {
            format!("could not be changed from {from} to {}", of_replicas(*to))
        }
        Failure::NotConfirmed { from, to, .. } => {
            let to = of_replicas(*to);
            match stage {
                Stage::Once | Stage::Opened => format!("may have been changed from {from} to {to}"),
                Stage::Closed { .. } => format!("the change from {from} to {to} was not confirmed"),
            }
        }
        Failure::Pass { .. } => "a pass could not be made in full".to_owned(),
        Failure::Channel { channel, .. } => format!("{channel} does not take notices"),
    }
}

fn by(operator: &Operator) -> String {
    match &operator.by {
        Some(by) => format!(" by {}", super::name(by)),
        None => String::new(),
    }
}

fn overridden(min: Option<Replicas>, max: Option<Replicas>, holds_scale_down: bool) -> String {
    let asks = [
        min.map(|min| format!("at least {}", of_replicas(min))),
        max.map(|max| format!("at most {}", of_replicas(max))),
        holds_scale_down.then(|| "nothing is removed".to_owned()),
    ];
    let asks: Vec<String> = asks.into_iter().flatten().collect();
    asks.join(", ")
}

fn of_replicas(count: Replicas) -> String {
    plural(u64::from(count.get()), "replica")
}

fn plural(count: u64, unit: &str) -> String {
    if count == 1 {
        format!("1 {unit}")
    } else {
        format!("{count} {unit}s")
    }
}

fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
