//! How much may wait for a channel: beyond that, the oldest of the least severe goes.

use crate::Severity;

use super::{QueueBound, Waiting, folding::must_stay};

/// Which of `kept` go, so that the rest is within `bound`: the oldest of what nobody has to look at, then the oldest
/// warnings, and nothing else.
pub(super) fn beyond<'v>(
    bound: QueueBound,
    kept: impl Iterator<Item = &'v Waiting> + Clone,
) -> Vec<&'v Waiting> {
    let mut over = Over {
        notices: kept.clone().count().saturating_sub(bound.notices),
        bytes: kept
            .clone()
            .map(|one| u64::from(one.bytes))
            .sum::<u64>()
            .saturating_sub(bound.bytes),
    };
    let mut gone = Vec::new();
    for severity in [Severity::Info, Severity::Warning] {
        if over.is_nothing() {
            break;
        }
        let mut less: Vec<_> = kept
            .clone()
            .filter(|one| one.severity == severity && !must_stay(one))
            .collect();
        less.sort_unstable_by_key(|one| one.row);
        for one in less {
            if over.is_nothing() {
                break;
            }
            over.notices = over.notices.saturating_sub(1);
            over.bytes = over.bytes.saturating_sub(u64::from(one.bytes));
            gone.push(one);
        }
    }
    gone
}

struct Over {
    notices: usize,
    bytes: u64,
}

impl Over {
    const fn is_nothing(&self) -> bool {
        self.notices == 0 && self.bytes == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::testing::Row;

    #[track_caller]
    fn check(notices: usize, bytes: u64, rows: &str, expected: &[i64]) {
        let waiting = Row::parse(rows);
        let gone = beyond(QueueBound { notices, bytes }, waiting.iter());
        let gone: Vec<_> = gone.iter().map(|one| one.row.0).collect();
        assert_eq!(gone, expected, "{rows}");
    }

    #[test]
    fn the_oldest_of_the_least_severe_goes() {
        check(3, u64::MAX, "w o e", &[]);
        check(2, u64::MAX, "w o e", &[2]);
        check(1, u64::MAX, "w o e", &[2, 3]);
        check(0, u64::MAX, "w o e", &[2, 3, 1]);
    }

    #[test]
    fn what_is_urgent_or_closes_or_may_have_arrived_stays() {
        check(0, 0, "o! c e? e!", &[]);
        check(1, u64::MAX, "o! e c w", &[2, 4]);
    }

    #[test]
    fn bytes_count_as_notices_do() {
        // Each has 100.
        check(10, 300, "e e e e", &[1]);
        check(10, 299, "e e e e", &[1, 2]);
    }
}
