//! What happened in a while, read off the history.

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use headroom_notifier::{Digest, WorkloadDigest};
use headroom_policy_engine::{Outcome, Replicas, Timestamp, WorkloadId};

use super::condition::{Condition, bounded};
use crate::{DecisionRecord, HistoryRow, Verdict, WorkloadSettings};

/// So many seconds are an hour.
const HOUR: f64 = 3600.0;

/// The digest of `rows`, the history from `since` until `until` with the newest first, for `workloads`.
///
/// A decision holds until the next one about its workload: passes that decided the same are one row.
pub(crate) fn digest<'w>(
    rows: &[HistoryRow],
    workloads: impl Iterator<Item = &'w WorkloadSettings>,
    since: Timestamp,
    until: Timestamp,
) -> Digest {
    let mut by_workload: BTreeMap<&WorkloadId, Vec<&HistoryRow>> = BTreeMap::new();
    for row in rows.iter().rev() {
        by_workload.entry(&row.record.workload).or_default().push(row);
    }
    let mut told = Vec::new();
    let mut quiet = 0;
    for settings in workloads {
        let rows = by_workload.get(&settings.id).map_or(&[][..], Vec::as_slice);
        match of_workload(rows, settings, since, until) {
            Some(one) if is_worth_telling(&one) => told.push(one),
            Some(_) | None => quiet += 1,
        }
    }
    told.sort_by_key(|one| Reverse(one.changes));
    Digest {
        since,
        until,
        workloads: told,
        quiet,
    }
}

fn is_worth_telling(one: &WorkloadDigest) -> bool {
    one.changes > 0 || one.errors > 0 || !one.at_max.is_zero() || !one.blind.is_zero()
}

fn of_workload(
    rows: &[&HistoryRow],
    settings: &WorkloadSettings,
    since: Timestamp,
    until: Timestamp,
) -> Option<WorkloadDigest> {
    let mut digest: Option<WorkloadDigest> = None;
    let ends = rows.iter().skip(1).map(|next| next.first_at).chain([until]);
    for (row, end) in rows.iter().zip(ends) {
        let from = row.first_at.max(since);
        let span = end.min(until).since(from);
        let Some(count) = row.record.decision().map(|_| count_after(&row.record)) else {
            if let Some(digest) = &mut digest {
                digest.errors += 1;
            }
            continue;
        };
        let digest = digest.get_or_insert_with(|| WorkloadDigest {
            workload: settings.id.clone(),
            changes: 0,
            fewest: count,
            most: count,
            most_at: from,
            at_max: Duration::ZERO,
            blind: Duration::ZERO,
            errors: 0,
            replica_hours: 0.0,
            fixed_hours: 0.0,
        });
        digest.fewest = digest.fewest.min(count);
        if count > digest.most {
            (digest.most, digest.most_at) = (count, from);
        }
        let hours = span.as_secs_f64() / HOUR;
        digest.replica_hours += f64::from(count.get()) * hours;
        digest.fixed_hours += f64::from(settings.policy.bounds.max().get()) * hours;
        if matches!(bounded(&row.record), Some(Condition::AtMax { .. })) {
            digest.at_max += span;
        }
        if row.record.is_blind() {
            digest.blind += span;
        }
        let changed =
            row.first_at >= since && row.record.decision().is_some_and(|one| one.direction().is_some());
        match row.record.outcome() {
            Some(Outcome::Written) if changed => digest.changes += 1,
            Some(Outcome::Failed) => digest.errors += 1,
            Some(Outcome::Written | Outcome::Conflict | Outcome::NotAttempted) | None => {}
        }
    }
    digest
}

/// The count once the decision of `record` was made.
fn count_after(record: &DecisionRecord) -> Replicas {
    match &record.verdict {
        Verdict::Decided {
            decision,
            outcome: Outcome::Written,
            ..
        } => decision.desired(),
        Verdict::Decided { decision, .. } => decision.current(),
        Verdict::Unreadable { .. } => Replicas::ZERO,
    }
}
