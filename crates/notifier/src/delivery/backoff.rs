//! How long to wait before the next attempt.

use std::time::Duration;

/// After the first failure.
const FIRST: Duration = Duration::from_secs(2);
/// The most.
pub(super) const MOST: Duration = Duration::from_secs(300);
/// The most, for what is urgent.
const MOST_URGENT: Duration = Duration::from_secs(60);

/// How much it matters that something arrives soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    Urgent,
    Usual,
}

/// How long to wait after `failures` attempts (at least one) to send what is called `seed`: twice as long after each,
/// five minutes at most, and shorter by up to half, so that what failed together is not tried together again. The same
/// seed always waits equally long.
#[must_use]
pub fn backoff(failures: u32, seed: &str) -> Duration {
    within(failures, seed, MOST)
}

/// [`backoff`], at most a minute for what is urgent.
pub(super) fn retry_after(failures: u32, seed: &str, urgency: Urgency) -> Duration {
    match urgency {
        Urgency::Urgent => within(failures, seed, MOST_URGENT),
        Urgency::Usual => backoff(failures, seed),
    }
}

fn within(failures: u32, seed: &str, most: Duration) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let whole = FIRST.saturating_mul(1 << doublings).min(most);
    let half = whole / 2;
    let hash = hash(seed.bytes().chain(failures.to_le_bytes()));
    let thousandths = u32::try_from(hash % 1001).unwrap_or_default();
    half + half.saturating_mul(thousandths) / 1000
}

/// FNV-1a, which is the same on every machine and in every version.
pub(super) fn hash(bytes: impl Iterator<Item = u8>) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in bytes {
        hash ^= u64::from(byte);
        hash = hash.wrapping_mul(0x0100_0000_01b3);
    }
    // The low bits of the last bytes alone say little.
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_its_most_and_is_shortened_by_at_most_half() {
        for (failures, whole) in [(1, 2), (2, 4), (3, 8), (8, 256), (9, 300), (u32::MAX, 300)] {
            let whole = Duration::from_secs(whole);
            for seed in ["a", "b", "c"] {
                let waits = backoff(failures, seed);
                assert!(whole / 2 <= waits && waits <= whole, "{failures} {waits:?}");
            }
        }
        assert!(retry_after(20, "a", Urgency::Urgent) <= MOST_URGENT);
    }

    #[test]
    fn what_failed_together_is_not_tried_together_again() {
        let waits: std::collections::BTreeSet<_> = (0..100)
            .map(|number| backoff(4, &format!("n-{number}")))
            .collect();
        assert!(waits.len() > 80, "{}", waits.len());
        assert_eq!(backoff(4, "n-1"), backoff(4, "n-1"));
    }
}
