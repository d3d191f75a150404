//! What a notice says to people, in their language and their time.
//!
//! Owns every word that people are told, and how long a text may be. How a text looks is the channels': which escape it,
//! and cut it further where their medium has less room. What a notice means is worked out here once; the languages only
//! say it.

mod cut;
mod digest;
mod en;
mod facts;
mod group;
mod ko;
mod label;
mod mark;
mod next;
mod reason;
#[cfg(test)]
mod tests;

use std::time::Duration;

use headroom_policy_engine::{MetricName, RaisedCondition, Step, Timestamp, WorkloadId};
use jiff::{Zoned, tz::TimeZone};

pub(crate) use self::{
    cut::{cut, one_line, utf16_len},
    facts::page,
};
use self::{group::Group, next::Next};
pub(crate) use self::{label::Label, mark::Mark};
use crate::{Change, Event, Language, Notice, Stage, Style, UnknownMetric, WorkloadDigest};

/// The longest title, in UTF-16 code units, as all lengths here.
pub(crate) const MAX_TITLE: usize = 150;
/// The longest reason.
pub(crate) const MAX_REASON: usize = 1000;
/// The longest sentence about what happens next.
pub(crate) const MAX_NEXT: usize = 400;
/// The longest value of a fact.
pub(crate) const MAX_VALUE: usize = 300;
/// The longest line of a list.
pub(crate) const MAX_LINE: usize = 300;
/// The most lines of a list; what is beyond is counted in the last one.
pub(crate) const MAX_LINES: usize = 25;
/// The longest command.
pub(crate) const MAX_COMMAND: usize = 600;
/// The longest address of a link; a link with a longer one is left out, as half an address leads nowhere.
pub(crate) const MAX_URL: usize = 2000;
/// The longest name of a cluster or a workload inside a title.
const MAX_NAME: usize = 60;

/// What a notice, or several together, say to people. Every text is one line without control characters, and no longer
/// than its limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    /// How soon somebody has to look, or that nobody has to any more.
    pub(crate) mark: Mark,
    /// The mark in words: `Warning`.
    pub(crate) mark_word: &'static str,
    /// Which cluster, which workload, and what.
    pub(crate) title: String,
    /// Why, in one sentence.
    pub(crate) reason: Option<String>,
    /// What happens next, in one sentence.
    pub(crate) next: Option<String>,
    /// Single values.
    pub(crate) facts: Vec<Fact>,
    /// What there is one line each of: workloads of a digest, changes of a policy, notices of a burst.
    pub(crate) list: Vec<String>,
    /// That notices were left out before this one, in a sentence.
    pub(crate) left_out: Option<String>,
    /// The command that tells more.
    pub(crate) command: String,
    /// Where to look further.
    pub(crate) links: Vec<Link>,
    /// When it happened, in local time with its zone.
    pub(crate) at: String,
    /// The cluster, where it has a name.
    pub(crate) cluster: Option<String>,
    /// The workload, where it is about one.
    pub(crate) workload: Option<String>,
}

/// One value with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    /// What it is.
    pub(crate) label: &'static str,
    /// The value with its unit.
    pub(crate) value: String,
}

/// Where to look further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// What is there.
    pub(crate) label: &'static str,
    /// Its address, which is one of a page: `http` or `https`, in ASCII, without a login.
    pub(crate) url: String,
}

/// The words of one language.
///
/// Whatever there is to say has its function here, so a language that lacks one does not compile.
trait Words {
    fn mark(&self, mark: Mark) -> &'static str;
    fn label(&self, label: Label) -> &'static str;
    /// Before the title of what somebody only tries.
    fn test(&self) -> &'static str;
    /// Behind a workload: that the same is told of so many more.
    fn and_others(&self, also: u32) -> String;
    /// What happened, short, without to whom.
    fn what(&self, notice: &Notice, clock: &Clock) -> String;
    /// Behind what has ended.
    fn ended(&self, event: &Event, after: Duration) -> String;
    /// One step of a decision.
    fn step(&self, step: &Step) -> String;
    /// What a condition is about; `None` where the title says all there is.
    fn condition(&self, condition: &RaisedCondition) -> Option<String>;
    /// What is known of a metric that is unknown, or known only in part.
    fn unknown(&self, metric: &UnknownMetric) -> String;
    /// That a metric has been above its value for its time.
    fn above(&self, metric: &MetricName, measured: &str, above: &str, lasting: &str) -> String;
    /// Several such texts, at least one, in one.
    fn together(&self, said: &[String]) -> String;
    fn next(&self, next: &Next<'_>, clock: &Clock) -> String;
    /// One key of a policy that has changed.
    fn changed(&self, change: &Change) -> String;
    /// One workload of a digest.
    fn of_workload(&self, of: &WorkloadDigest, clock: &Clock) -> String;
    fn span(&self, span: Duration) -> String;
    /// A measured value, as a percentage where it is a part of a whole.
    fn measured(&self, value: f64, is_ratio: bool) -> String;
    /// The day, the time and the zone.
    fn moment(&self, at: &Zoned) -> String;
    /// The day and the time.
    fn day_and_time(&self, at: &Zoned) -> String;
    /// What several notices are together, without of whom.
    fn group(&self, group: &Group<'_>, clock: &Clock) -> String;
    /// That so many more lines would follow.
    fn more(&self, lines: usize) -> String;
    /// That so many notices were left out before.
    fn left_out(&self, notices: u32) -> String;
}

fn words(language: Language) -> &'static dyn Words {
    match language {
        Language::En => &en::English,
        Language::Ko => &ko::Korean,
    }
}

/// A time zone, and the moment from which people look.
struct Clock<'a> {
    words: &'static dyn Words,
    zone: &'a TimeZone,
    now: Timestamp,
}

impl Clock<'_> {
    fn local(&self, at: Timestamp) -> Zoned {
        let nearest = if at.unix_millis() < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        };
        jiff::Timestamp::from_millisecond(at.unix_millis())
            .unwrap_or(nearest)
            .to_zoned(self.zone.clone())
    }

    /// The time, and the day where it is another one than that from which people look.
    fn short(&self, at: Timestamp) -> String {
        let local = self.local(at);
        if local.date() == self.local(self.now).date() {
            time(&local)
        } else {
            self.words.day_and_time(&local)
        }
    }
}

/// The time of day, as both languages write it.
fn time(at: &Zoned) -> String {
    at.strftime("%H:%M").to_string()
}

impl Text {
    /// What `notice` says.
    #[must_use]
    pub(crate) fn of(notice: &Notice, style: &Style) -> Self {
        let words = words(style.language);
        let clock = Clock {
            words,
            zone: &style.timezone,
            now: notice.at,
        };
        let (reason, next) = match notice.stage {
            Stage::Once | Stage::Opened => (reason::reason(notice, words), Next::of(notice)),
            Stage::Closed { .. } => (None, None),
        };
        let mark = Mark::of(notice);
        Self {
            mark,
            mark_word: words.mark(mark),
            title: title(
                notice,
                notice.workload.as_ref(),
                &Self::what(notice, &clock),
                words,
            ),
            reason: reason.map(|reason| cut(&one_line(&reason), MAX_REASON)),
            next: next.map(|next| cut(&one_line(&words.next(&next, &clock)), MAX_NEXT)),
            facts: facts::facts(notice, &clock),
            list: lines(reason::list(notice, &clock), words),
            left_out: None,
            command: cut(&one_line(&notice.command()), MAX_COMMAND),
            links: facts::links(notice, words),
            at: words.moment(&clock.local(notice.at)),
            cluster: cluster(notice),
            workload: notice
                .workload
                .as_ref()
                .map(|workload| cut(&one_line(workload.as_str()), MAX_VALUE)),
        }
    }

    /// What happened, and that it has ended where it has.
    fn what(notice: &Notice, clock: &Clock<'_>) -> String {
        let words = clock.words;
        let what = words.what(notice, clock);
        match notice.stage {
            Stage::Once | Stage::Opened => what,
            Stage::Closed { after: _ } if says_that_it_ended(&notice.event) => what,
            Stage::Closed { after } => format!("{what} ({})", words.ended(&notice.event, after)),
        }
    }

    /// What `notices` say together, oldest first, after `left_out` others were left out; `None` of no notice.
    #[must_use]
    pub(crate) fn of_all(notices: &[Notice], left_out: u32, style: &Style) -> Option<Self> {
        let newest = notices.last()?;
        let words = words(style.language);
        let mut text = Self::of(newest, style);
        if notices.len() > 1 {
            let clock = Clock {
                words,
                zone: &style.timezone,
                now: newest.at,
            };
            group::describe(&mut text, notices, &clock);
        }
        text.left_out = (left_out > 0).then(|| words.left_out(left_out));
        Some(text)
    }
}

/// Whether the words of the event say already that something has ended.
const fn says_that_it_ended(event: &Event) -> bool {
    match event {
        Event::Recovered { .. } | Event::Resumed => true,
        Event::Scaled { .. }
        | Event::AtMax { .. }
        | Event::AtMin { .. }
        | Event::Fallback { .. }
        | Event::Held { .. }
        | Event::ResetBy { .. }
        | Event::Blind { .. }
        | Event::Error { .. }
        | Event::Paused { .. }
        | Event::Overridden { .. }
        | Event::PolicyChanged { .. }
        | Event::Threshold { .. }
        | Event::Digest(_) => false,
    }
}

/// Of whom, and what.
fn title(notice: &Notice, workload: Option<&WorkloadId>, what: &str, words: &dyn Words) -> String {
    let cluster = cluster(notice);
    let workload = workload.map(|workload| whom(notice, workload, words));
    let whom = match (cluster, workload) {
        (Some(cluster), Some(workload)) => format!("{cluster} {workload}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "headroom".to_owned(),
    };
    let test = if notice.is_test { words.test() } else { "" };
    cut(&one_line(&format!("{test}{whom}: {what}")), MAX_TITLE)
}

/// The workload that `notice` names, and how many others it is about.
fn whom(notice: &Notice, workload: &WorkloadId, words: &dyn Words) -> String {
    let others = match notice.also {
        0 => String::new(),
        also => words.and_others(also),
    };
    format!("{}{others}", name(workload.as_str()))
}

/// The cluster's name, where it has one that shows.
fn cluster(notice: &Notice) -> Option<String> {
    let name = name(notice.cluster.as_deref()?);
    (!name.is_empty()).then_some(name)
}

/// A name that leaves room for what is said of it.
fn name(name: &str) -> String {
    cut(&one_line(name), MAX_NAME)
}

/// Lines no longer and no more than allowed.
fn lines(all: Vec<String>, words: &dyn Words) -> Vec<String> {
    let (count, mut lines) = (all.len(), all);
    if count > MAX_LINES {
        lines.truncate(MAX_LINES - 1);
        lines.push(words.more(count - lines.len()));
    }
    lines
        .into_iter()
        .map(|line| cut(&one_line(&line), MAX_LINE))
        .collect()
}

/// What the source said of a metric, where it says more than what is known of it.
fn error_beyond(metric: &UnknownMetric) -> Option<&str> {
    let error = metric.error.as_deref()?;
    (!metric.seen.to_string().contains(error)).then_some(error)
}

/// Appends to `text`.
fn write_into(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.push_str(&arguments.to_string());
}
