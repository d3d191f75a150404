//! What several notices say together: a burst as one message.

use std::collections::BTreeSet;

use headroom_policy_engine::{Replicas, Timestamp, WorkloadId};

use super::{Clock, Label, Mark, Text, lines, title, whom};
use crate::{Event, Notice};

/// What several notices are together.
pub(super) enum Group<'a> {
    /// Changes of one count.
    Changes {
        from: Replicas,
        to: Replicas,
        changes: usize,
        since: Timestamp,
    },
    /// Of one workload: the newest, and what there was before.
    OfOne {
        newest: &'a Notice,
        earlier: usize,
        since: Timestamp,
    },
    /// Of several workloads.
    OfSeveral {
        notices: usize,
        workloads: Workloads,
        since: Timestamp,
    },
}

/// How many workloads notices are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Workloads {
    Exactly(usize),
    /// Of some only the number is known, and they may be among the others.
    AtLeast(usize),
}

impl Workloads {
    fn of(notices: &[Notice]) -> Self {
        let named: BTreeSet<&WorkloadId> = notices
            .iter()
            .filter_map(|notice| notice.workload.as_ref())
            .collect();
        let also = notices.iter().map(|notice| notice.also).max().unwrap_or(0);
        if also == 0 {
            return Self::Exactly(named.len());
        }
        let most = usize::try_from(also).unwrap_or(usize::MAX).saturating_add(1);
        Self::AtLeast(named.len().max(most))
    }
}

impl<'a> Group<'a> {
    fn of(notices: &'a [Notice]) -> Option<Self> {
        let (first, newest) = (notices.first()?, notices.last()?);
        let since = first.since();
        let about: BTreeSet<Option<&WorkloadId>> =
            notices.iter().map(|notice| notice.workload.as_ref()).collect();
        if about.len() > 1 {
            return Some(Self::OfSeveral {
                notices: notices.len(),
                workloads: Workloads::of(notices),
                since,
            });
        }
        let is_scaled = |notice: &Notice| matches!(notice.event, Event::Scaled { .. });
        if let (true, Event::Scaled { from, .. }, Event::Scaled { to, .. }) =
            (notices.iter().all(is_scaled), &first.event, &newest.event)
        {
            return Some(Self::Changes {
                from: *from,
                to: *to,
                changes: notices.len(),
                since,
            });
        }
        Some(Self::OfOne {
            newest,
            earlier: notices.len() - 1,
            since,
        })
    }
}

/// Makes of `text`, which is of the newest of `notices`, what all of them say.
pub(super) fn describe(text: &mut Text, notices: &[Notice], clock: &Clock<'_>) {
    let Some((group, newest)) = Group::of(notices).zip(notices.last()) else {
        return;
    };
    let words = clock.words;
    let is_of_several = matches!(group, Group::OfSeveral { .. });
    let workload = newest.workload.as_ref().filter(|_| !is_of_several);
    text.mark = Mark::of_all(notices);
    text.mark_word = words.mark(text.mark);
    text.title = title(newest, workload, &words.group(&group, clock), words);
    if let Group::Changes { from, to, .. } = group {
        let label = words.label(Label::Replicas);
        for fact in text.facts.iter_mut().filter(|fact| fact.label == label) {
            fact.value = format!("{from} → {to}");
        }
    }
    if is_of_several {
        text.workload = None;
        text.reason = None;
        text.next = None;
        text.facts.clear();
        text.links.clear();
        text.command = "headroom status".to_owned();
    }
    let each = notices.iter().rev().map(|notice| {
        let at = clock.short(notice.at);
        let what = Text::what(notice, clock);
        match notice.workload.as_ref().filter(|_| is_of_several) {
            Some(workload) => format!("{at} {}: {what}", whom(notice, workload, words)),
            None => format!("{at} {what}"),
        }
    });
    text.list = lines(each.chain(std::mem::take(&mut text.list)).collect(), words);
}
