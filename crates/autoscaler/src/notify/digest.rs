//! What happened in a while, read off the history.

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use headroom_notifier::{Digest, ReplicaCounts, WorkloadDigest};
use headroom_policy_engine::{Outcome, Replicas, Timestamp, WorkloadId};

use super::condition::{Condition, bounded};
use crate::{DecisionRecord, HistoryRow, Verdict};

/// So many seconds are an hour.
const HOUR: f64 = 3600.0;

/// A digest in the making, which takes the history row by row.
///
/// A decision holds until the next one about its workload: passes that decided the same are one row.
#[derive(Debug)]
pub(crate) struct Digesting {
    since: Timestamp,
    until: Timestamp,
    workloads: BTreeMap<WorkloadId, Tally>,
}

/// What is known of one workload so far.
#[derive(Debug)]
struct Tally {
    digest: WorkloadDigest,
    /// The most replicas that its policy allows.
    max: Replicas,
    /// What its newest row says.
    holds: Option<Holding>,
}

/// What a row says, until the next one.
#[derive(Debug)]
struct Holding {
    from: Timestamp,
    /// How many replicas there were; `None` where the target could not be read.
    count: Option<Replicas>,
    is_at_max: bool,
    is_blind: bool,
}

impl Digesting {
    /// Of `workloads`, each with the most replicas that its policy allows, from `since` until `until`.
    pub(crate) fn new(
        workloads: impl Iterator<Item = (WorkloadId, Replicas)>,
        since: Timestamp,
        until: Timestamp,
    ) -> Self {
        Self {
            since,
            until,
            workloads: workloads
                .map(|(id, max)| (id.clone(), Tally::new(id, max)))
                .collect(),
        }
    }

    /// Whether it is of no workload at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.workloads.is_empty()
    }

    /// Takes the next row, later ones after earlier ones. One that is about another time or workload counts nothing.
    pub(crate) fn add(&mut self, row: &HistoryRow) {
        if row.last_at < self.since || row.first_at >= self.until {
            return;
        }
        if let Some(tally) = self.workloads.get_mut(&row.record.workload) {
            tally.add(row, self.since);
        }
    }

    /// The digest of what was added.
    pub(crate) fn finish(self) -> Digest {
        let of_all = self.workloads.into_values().map(|mut tally| {
            tally.hold_until(self.until);
            tally.digest
        });
        let (mut workloads, quiet): (Vec<_>, Vec<_>) = of_all.partition(is_worth_telling);
        workloads.sort_by_key(|one| Reverse(one.changes));
        Digest {
            since: self.since,
            until: self.until,
            workloads,
            quiet: u32::try_from(quiet.len()).unwrap_or(u32::MAX),
        }
    }
}

fn is_worth_telling(one: &WorkloadDigest) -> bool {
    let lasted = [one.at_max, one.blind, one.unreadable];
    one.changes > 0 || one.errors > 0 || lasted.iter().any(|span| !span.is_zero())
}

impl Tally {
    fn new(workload: WorkloadId, max: Replicas) -> Self {
        Self {
            digest: WorkloadDigest {
                workload,
                changes: 0,
                counts: None,
                at_max: Duration::ZERO,
                blind: Duration::ZERO,
                unreadable: Duration::ZERO,
                errors: 0,
            },
            max,
            holds: None,
        }
    }

    fn add(&mut self, row: &HistoryRow, since: Timestamp) {
        let from = row.first_at.max(since);
        self.hold_until(from);
        self.holds = Some(Holding {
            from,
            count: count_after(&row.record),
            is_at_max: matches!(bounded(&row.record), Some(Condition::AtMax { .. })),
            is_blind: row.record.is_blind(),
        });
        // What began before was in the digest before.
        if row.first_at < since {
            return;
        }
        match &row.record.verdict {
            Verdict::Unreadable { .. }
            | Verdict::Decided {
                outcome: Outcome::Failed | Outcome::NotConfirmed,
                ..
            } => self.digest.errors += 1,
            Verdict::Decided {
                decision,
                outcome: Outcome::Written,
                ..
            } if decision.direction().is_some() => self.digest.changes += 1,
            Verdict::Decided { .. } => {}
        }
    }

    /// Counts what holds, which ends at `end`.
    fn hold_until(&mut self, end: Timestamp) {
        let Some(holding) = self.holds.take() else {
            return;
        };
        let span = end.since(holding.from);
        let Some(count) = holding.count else {
            self.digest.unreadable += span;
            return;
        };
        let counts = self.digest.counts.get_or_insert(ReplicaCounts {
            fewest: count,
            most: count,
            most_at: holding.from,
            replica_hours: 0.0,
            fixed_hours: 0.0,
        });
        counts.fewest = counts.fewest.min(count);
        if count > counts.most {
            (counts.most, counts.most_at) = (count, holding.from);
        }
        let hours = span.as_secs_f64() / HOUR;
        counts.replica_hours += f64::from(count.get()) * hours;
        counts.fixed_hours += f64::from(self.max.get()) * hours;
        if holding.is_at_max {
            self.digest.at_max += span;
        }
        if holding.is_blind {
            self.digest.blind += span;
        }
    }
}

/// The count once the decision of `record` was made; `None` where the target could not be read.
fn count_after(record: &DecisionRecord) -> Option<Replicas> {
    match &record.verdict {
        Verdict::Decided {
            decision,
            outcome: Outcome::Written,
            ..
        } => Some(decision.desired()),
        Verdict::Decided { decision, .. } => Some(decision.current()),
        Verdict::Unreadable { .. } => None,
    }
}
