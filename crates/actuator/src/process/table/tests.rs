//! The rules of the table, without processes.

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_millis(seconds * 1000)
}

fn replica(sequence: u64, started_at: Timestamp) -> Replica {
    Replica {
        sequence,
        id: format!("replica-{sequence}"),
        process: ProcessIdentity {
            pid: 1,
            start_ticks: 1,
            boot: "boot".to_owned(),
        },
        port: 1,
        started_at,
    }
}

/// A table in which that many replicas were started at second 0, numbered from 1.
fn running(count: u32) -> ProcessTable {
    let mut table = ProcessTable::new();
    table.want(Replicas::new(count));
    table.fit(at(0));
    let numbers = table.reserve(table.slots.len());
    for (slot, sequence) in table.slots.iter_mut().zip(numbers) {
        slot.replica = Some(replica(sequence, at(0)));
    }
    table
}

fn sequences(table: &ProcessTable) -> Vec<u64> {
    table
        .slots
        .iter()
        .filter_map(|slot| Some(slot.replica.as_ref()?.sequence))
        .collect()
}

#[test]
fn the_newest_replicas_drain_first() {
    let mut table = running(4);
    // The second one was started anew, so it is the newest.
    table.slots[1].replica = Some(replica(9, at(5)));
    table.want(Replicas::new(2));
    table.fit(at(6));
    assert_eq!(sequences(&table), [1, 3]);
    let draining: Vec<u64> = table
        .draining
        .iter()
        .map(|draining| draining.replica.sequence)
        .collect();
    assert_eq!(draining, [9, 4]);
}

#[test]
fn an_empty_slot_goes_before_any_replica() {
    let mut table = running(3);
    table.slots[0].replica = None;
    table.want(Replicas::new(2));
    table.fit(at(1));
    assert_eq!(sequences(&table), [2, 3]);
    assert!(table.draining.is_empty());
}

#[test]
fn a_draining_replica_keeps_its_log_file() {
    let mut table = running(2);
    table.want(Replicas::new(1));
    table.fit(at(1));
    table.want(Replicas::new(2));
    table.fit(at(1));
    assert_eq!(table.draining[0].number, 2);
    assert_eq!(table.slots[1].number, 3);
}

#[test]
fn the_wait_doubles_with_each_failure_and_is_bounded() {
    let mut table = running(1);
    let slot = &mut table.slots[0];
    let waits: Vec<u64> = (0..10)
        .map(|life| {
            slot.replica = Some(replica(life, at(0)));
            slot.fail(FailureKind::Ended, at(1)).as_secs()
        })
        .collect();
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 120, 120, 120]);
    slot.failures = u32::MAX;
    assert_eq!(slot.fail(FailureKind::Ended, at(1)), LONGEST_WAIT);
}

#[test]
fn a_new_life_begins_after_the_wait_and_not_before() {
    let mut table = running(1);
    table.slots[0].fail(FailureKind::Ended, at(100));
    assert!(!table.slots[0].is_due(at(100)));
    assert!(table.slots[0].is_due(at(101)));
    // The clock went back by an hour: what is left to wait is not trusted.
    assert!(table.slots[0].is_due(at(100 - 3600)));
}

#[test]
fn a_replica_that_served_long_is_started_again_at_once() {
    let mut table = running(1);
    table.slots[0].failures = 5;
    table.note_ready(&[(1, Ready::Yes)], at(3));
    assert_eq!(table.slots[0].fail(FailureKind::Ended, at(60)), Duration::ZERO);
    assert_eq!(table.slots[0].failures, 1);
    assert!(table.slots[0].is_due(at(60)));
}

#[test]
fn a_replica_that_was_never_ready_served_nobody_however_long_it_lived() {
    let mut table = running(1);
    table.slots[0].failures = 1;
    assert_eq!(
        table.slots[0].fail(FailureKind::Ended, at(3600)),
        Duration::from_secs(2)
    );
}

#[test]
fn failing_is_two_ends_in_a_row_or_not_starting_at_all_until_one_stays_up() {
    let mut table = running(2);
    table.slots[0].fail(FailureKind::Ended, at(1));
    assert_eq!(table.failing(), 0);
    table.slots[0].replica = Some(replica(3, at(2)));
    table.slots[0].fail(FailureKind::Ended, at(3));
    table.slots[1].fail(FailureKind::CannotStart, at(3));
    assert_eq!(table.failing(), 2);

    table.slots[0].replica = Some(replica(4, at(5)));
    table.note_ready(&[(4, Ready::Yes)], at(14));
    assert_eq!(table.failing(), 2, "it may still die young");
    table.note_ready(&[(4, Ready::Yes)], at(15));
    assert_eq!(table.failing(), 1);
}

#[test]
fn a_start_of_the_machine_is_no_failure() {
    let mut table = running(1);
    table.slots[0].vacate(at(100));
    assert_eq!(
        (table.slots[0].failures, table.slots[0].is_due(at(100))),
        (0, true)
    );
}

#[test]
fn not_ready_counts_from_when_it_ceased_to_be() {
    let mut table = running(1);
    assert_eq!(table.slots[0].unready_since, Some(at(0)));
    assert!(table.note_ready(&[(1, Ready::Yes)], at(2)));
    assert!(!table.note_ready(&[(1, Ready::Yes)], at(3)), "no news");
    assert!(table.note_ready(&[(1, Ready::No)], at(5)));
    table.note_ready(&[(1, Ready::No)], at(9));
    assert_eq!(table.slots[0].unready_since, Some(at(5)));
    table.slots[0].fail(FailureKind::Ended, at(9));
    assert_eq!(
        table.slots[0].unready_since,
        Some(at(5)),
        "a new life does not start it anew"
    );
}

#[test]
fn an_adopted_replica_fills_its_slot_and_a_surplus_one_drains() {
    let mut table = running(2);
    table.slots[1].replica = None;
    table.adopt(Some(2), replica(8, at(1)), at(1));
    assert_eq!(sequences(&table), [1, 8]);
    table.adopt(Some(1), replica(5, at(1)), at(1));
    assert_eq!(table.draining[0].replica.sequence, 5);
    assert_eq!(
        table.draining[0].number, 3,
        "the log file of another is not shared"
    );
    assert_eq!(table.reserve(1).start, 9, "no number is used twice");
}

#[test]
fn ids_are_told_from_those_of_another_table() {
    let (one, other) = (ProcessTable::new(), ProcessTable::new());
    assert_eq!(one.sequence(&one.id(7)), Some(7));
    assert_eq!(one.sequence(&other.id(7)), None);
}

#[test]
fn a_table_of_another_version_is_refused() {
    let table = running(2);
    let text = serde_json::to_string(&table).unwrap();
    assert_eq!(serde_json::from_str::<ProcessTable>(&text).unwrap(), table);
    let newer = text.replacen(r#""version":1"#, r#""version":2"#, 1);
    let error = serde_json::from_str::<ProcessTable>(&newer)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("version 2; this headroom reads version 1"),
        "{error}"
    );
}
