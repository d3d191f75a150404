//! That a channel does not take what it is given, told by another one.

use std::{sync::Arc, time::Duration};

use headroom_policy_engine::Timestamp;

use super::{Addressed, Failing, Standing, Terms};
use crate::{Event, Failure, Links, Notice, NoticeId, Severity, Stage};

/// A channel that takes something so long after it last did not take something else takes what it is given again. One that
/// refuses some messages and takes others would otherwise be told of with each of them.
const SETTLED: Duration = Duration::from_secs(600);

/// What is told where something was given up that the channel of `terms` should have taken; `None` where people know, or
/// nobody can be told.
pub(super) fn begin(terms: &Terms<'_>, standing: &mut Standing, now: Timestamp) -> Option<Addressed> {
    if let Some(failing) = &mut standing.failing {
        failing.again = Some(now);
        return None;
    }
    let failing = Failing {
        since: now,
        again: None,
        error: standing
            .last_error
            .clone()
            .unwrap_or_else(|| "it did not answer in time".into()),
    };
    standing.failing = Some(failing.clone());
    addressed(terms, &failing, Stage::Opened, now)
}

/// What is told where the channel of `terms` takes what it is given again; `None` where nobody knows that it did not,
/// or it is too early to say so.
pub(super) fn end(terms: &Terms<'_>, standing: &mut Standing, now: Timestamp) -> Option<Addressed> {
    let has_settled = |failing: &mut Failing| {
        let last = failing.again.unwrap_or(failing.since);
        // Of a moment that is still to come, because the clock was set back, nobody knows how long ago it was.
        last > now || now.since(last) >= SETTLED
    };
    let failing = standing.failing.take_if(has_settled)?;
    let after = now.since(failing.since);
    addressed(terms, &failing, Stage::Closed { after }, now)
}

fn addressed(terms: &Terms<'_>, failing: &Failing, stage: Stage, now: Timestamp) -> Option<Addressed> {
    let (first, rest) = terms.alternates.split_first()?;
    let phase = super::Phase::from(stage).code();
    let since = failing.since.unix_millis();
    let notice = Notice {
        id: NoticeId(format!("channel/{}/{since}/{phase}", terms.channel).into()),
        at: now,
        cluster: terms.cluster.cloned(),
        workload: None,
        also: 0,
        severity: Severity::Warning,
        stage,
        event: Event::Error {
            failure: Failure::Channel {
                channel: Arc::clone(&terms.channel.0),
                error: Arc::clone(&failing.error),
            },
        },
        links: Links::default(),
        is_test: false,
    };
    Some(Addressed {
        notice,
        to: vec![first.clone()],
        then: Some(rest.to_vec()),
    })
}
