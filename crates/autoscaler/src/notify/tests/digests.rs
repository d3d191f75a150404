//! What a digest says of a history.

use headroom_notifier::{Digest, WorkloadDigest};

use super::*;
use crate::{HistoryRow, notify::Digesting};

const HOUR: u64 = 3600;

/// A row that holds from then on.
fn row(from: u64, until: u64, record: DecisionRecord) -> HistoryRow {
    HistoryRow {
        id: i64::try_from(from).unwrap(),
        first_at: at(from),
        last_at: at(until),
        count: 1,
        record,
    }
}

/// The digest of the second hour, of `shop/api` with at most ten replicas.
fn digest(rows: &[HistoryRow]) -> Digest {
    let workloads = [("shop/api".parse().unwrap(), Replicas::new(10))];
    let mut digesting = Digesting::new(workloads.into_iter(), at(HOUR), at(2 * HOUR));
    rows.iter().for_each(|row| digesting.add(row));
    digesting.finish()
}

#[track_caller]
fn only(rows: &[HistoryRow]) -> WorkloadDigest {
    let digest = digest(rows);
    assert_eq!((digest.workloads.len(), digest.quiet), (1, 0), "{digest:?}");
    digest.workloads[0].clone()
}

/// A decision for 6 replicas where there are 4, with what became of it.
fn decided(from: u64, outcome: Outcome) -> DecisionRecord {
    with_outcome(record(from, Vec::new()), outcome)
}

fn seconds(span: Duration) -> u64 {
    span.as_secs()
}

#[test]
fn counts_are_added_up_for_as_long_as_they_hold_in_its_time() {
    let of = only(&[
        row(0, HOUR + 60, decided(0, Outcome::NotAttempted)),
        row(HOUR + 1800, HOUR + 1800, decided(0, Outcome::Written)),
        row(HOUR + 2700, 3 * HOUR, at_max(0)),
    ]);
    let counts = of.counts.unwrap();
    assert_eq!((counts.fewest.get(), counts.most.get()), (4, 6));
    assert_eq!(counts.most_at, at(HOUR + 1800));
    assert_eq!(
        (counts.replica_hours, counts.fixed_hours),
        (2.0 + 1.5 + 1.0, 10.0)
    );
    assert_eq!((of.changes, of.errors), (1, 0));
    assert_eq!(seconds(of.at_max), 900);
}

#[test]
fn a_workload_that_could_not_be_read_at_all_is_told_of_and_no_count_is_made_up() {
    for rows in [
        &[row(0, 3 * HOUR, unreadable(0))][..],
        &[row(HOUR, 3 * HOUR, unreadable(0))],
    ] {
        let of = only(rows);
        assert_eq!(of.counts, None);
        assert_eq!(seconds(of.unreadable), HOUR);
        assert_eq!(of.errors, u32::from(rows[0].first_at == at(HOUR)));
    }
}

#[test]
fn failures_count_before_the_first_count_is_known_too() {
    let of = only(&[
        row(HOUR + 60, HOUR + 60, unreadable(0)),
        row(HOUR + 120, HOUR + 120, unreadable(0)),
        row(HOUR + 180, 3 * HOUR, decided(0, Outcome::NotAttempted)),
    ]);
    assert_eq!((of.errors, seconds(of.unreadable)), (2, 120));
    assert_eq!(of.counts.unwrap().most.get(), 4);
}

#[test]
fn what_began_before_its_time_was_in_the_digest_before() {
    let before = digest(&[
        row(HOUR - 60, HOUR, decided(0, Outcome::Failed)),
        row(HOUR + 60, 3 * HOUR, decided(0, Outcome::NotAttempted)),
    ]);
    assert_eq!((before.workloads.len(), before.quiet), (0, 1), "{before:?}");
    let within = only(&[row(HOUR, HOUR, decided(0, Outcome::Failed))]);
    assert_eq!(within.errors, 1);
    let after = digest(&[row(2 * HOUR, 3 * HOUR, decided(0, Outcome::Failed))]);
    assert_eq!((after.workloads.len(), after.quiet), (0, 1), "{after:?}");
}
