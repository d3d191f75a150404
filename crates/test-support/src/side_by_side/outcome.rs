//! What became of a comparison, and what it comes to.

use std::{collections::BTreeMap, fmt, time::Duration};

use super::{Phase, Scaler};

/// What became of a comparison. Times are since the first phase began.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How many pairs there were.
    pub pairs: usize,
    /// How often the HPA looks, and headroom where it does not scrape.
    pub interval: Duration,
    /// How long it took.
    pub took: Duration,
    /// The count of each pair before the first phase.
    pub begins: Vec<(Scaler, Vec<u32>)>,
    /// What became of each phase.
    pub phases: Vec<PhaseOutcome>,
    /// What happened to the load.
    pub changes: Vec<Change>,
    /// What was written, in the order of time.
    pub writes: Vec<Write>,
    /// How often each scaler asked what of the API server.
    pub requests: BTreeMap<Scaler, BTreeMap<String, u32>>,
}

/// What became of a phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhaseOutcome {
    /// Which.
    pub phase: Phase,
    /// When it began.
    pub from: Duration,
    /// When it ended.
    pub until: Duration,
    /// What the load of each pair was worth at its end, in replicas.
    pub expected: Vec<u32>,
    /// What each scaler had come to by then, by pair.
    pub settled: Vec<(Scaler, Vec<u32>)>,
}

/// The load on a pair changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: Duration,
    /// Of which pair.
    pub pair: usize,
    /// How many replicas it is worth now.
    pub replicas: u32,
}

/// A count that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    /// When the API server had written it.
    pub at: Duration,
    /// By whom.
    pub scaler: Scaler,
    /// Of which pair.
    pub pair: usize,
    /// What.
    pub replicas: u32,
}

/// A pair that did not settle where it should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// In which phase.
    pub phase: Phase,
    /// Who.
    pub scaler: Scaler,
    /// Which pair.
    pub pair: usize,
    /// What the HPA came to.
    pub hpa: u32,
    /// What this one came to.
    pub count: u32,
    /// What the load was worth.
    pub expected: u32,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: pair {} settled at {} with {}, at {} with the HPA, for a load worth {}",
            self.phase.name(),
            self.pair,
            self.count,
            self.scaler.name(),
            self.hpa,
            self.expected
        )
    }
}

/// How soon a scaler answered the steps of a phase.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reaction {
    /// From the change of the load to the first write in its direction, shortest first.
    pub times: Vec<Duration>,
    /// How many steps were not answered while they lasted.
    pub missed: usize,
}

impl Reaction {
    /// The one in the middle.
    pub fn median(&self) -> Option<Duration> {
        self.times.get(self.times.len() / 2).copied()
    }

    /// The longest.
    pub fn longest(&self) -> Option<Duration> {
        self.times.last().copied()
    }
}

impl Outcome {
    /// Where `scaler` and the HPA did not settle at the same count, or not at the one that the load was worth.
    pub fn disagreements(&self, scaler: Scaler) -> Vec<Disagreement> {
        let of_phase = |phase: &PhaseOutcome| {
            let (hpa, own) = (phase.of(Scaler::Hpa), phase.of(scaler));
            let pairs = phase.expected.iter().zip(hpa).zip(own).enumerate();
            let wrong = pairs.filter(|(_, ((expected, hpa), own))| own != hpa || own != *expected);
            let named = wrong.map(|(pair, ((expected, hpa), count))| Disagreement {
                phase: phase.phase,
                scaler,
                pair,
                hpa,
                count,
                expected: *expected,
            });
            named.collect::<Vec<_>>()
        };
        self.phases.iter().flat_map(of_phase).collect()
    }

    /// How soon `scaler` answered the first change that each pair's load had in a phase.
    pub fn reaction(&self, scaler: Scaler, phase: Phase) -> Reaction {
        let mut reaction = Reaction::default();
        let phases = self.phases.iter().filter(|outcome| outcome.phase == phase);
        for (outcome, pair) in
            phases.flat_map(|one| (0..scaler.pairs(self.pairs)).map(move |pair| (one, pair)))
        {
            let of_pair = |change: &&Change| change.pair == pair;
            let within = |change: &&Change| (outcome.from..=outcome.until).contains(&change.at);
            let mut changes = self.changes.iter().filter(of_pair).filter(within);
            let Some(first) = changes.next() else { continue };
            let count = self.count_at(scaler, pair, first.at);
            // While a spike lasts, and a little longer: what was measured in it comes late.
            let mut answers = self.writes.iter().filter(|write| {
                write.scaler == scaler
                    && write.pair == pair
                    && (first.at..=outcome.until).contains(&write.at)
                    && (write.replicas > count) == (first.replicas > count)
            });
            match answers.next() {
                Some(write) => reaction.times.push(write.at.saturating_sub(first.at)),
                None => reaction.missed += 1,
            }
        }
        reaction.times.sort();
        reaction
    }

    /// How often `scaler` wrote.
    pub fn writes(&self, scaler: Scaler) -> usize {
        self.writes.iter().filter(|write| write.scaler == scaler).count()
    }

    /// How often `scaler` changed its direction.
    pub fn reversals(&self, scaler: Scaler) -> usize {
        let of_pair = |pair| {
            let own = |write: &&Write| write.scaler == scaler && write.pair == pair;
            let counts = self.writes.iter().filter(own).map(|write| write.replicas);
            reversals(self.begin(scaler, pair), counts)
        };
        (0..scaler.pairs(self.pairs)).map(of_pair).sum()
    }

    /// How often the load changed its direction, on the pairs that `scaler` takes part in.
    pub fn reversals_of_load(&self, scaler: Scaler) -> usize {
        let of_pair = |pair| {
            let own = |change: &&Change| change.pair == pair;
            let worth = self.changes.iter().filter(own).map(|change| change.replicas);
            reversals(self.begin(scaler, pair), worth)
        };
        (0..scaler.pairs(self.pairs)).map(of_pair).sum()
    }

    /// How many requests `scaler` made in all, for each interval of the HPA.
    pub fn requests_per_interval(&self, scaler: Scaler) -> f64 {
        let requests: u32 = self
            .requests
            .get(&scaler)
            .into_iter()
            .flat_map(BTreeMap::values)
            .sum();
        f64::from(requests) * self.interval.as_secs_f64() / self.took.as_secs_f64().max(1.0)
    }

    /// The count of a pair at a moment.
    pub fn count_at(&self, scaler: Scaler, pair: usize, at: Duration) -> u32 {
        let written = self.writes.iter().rev();
        let last = written
            .filter(|write| write.scaler == scaler && write.pair == pair)
            .find(|write| write.at <= at);
        last.map_or_else(|| self.begin(scaler, pair), |write| write.replicas)
    }

    fn begin(&self, scaler: Scaler, pair: usize) -> u32 {
        let of_scaler = self.begins.iter().find(|(one, _)| *one == scaler);
        of_scaler
            .and_then(|(_, counts)| counts.get(pair))
            .copied()
            .unwrap_or_default()
    }
}

impl PhaseOutcome {
    fn of(&self, scaler: Scaler) -> impl Iterator<Item = u32> {
        let of_scaler = self.settled.iter().find(|(one, _)| *one == scaler);
        of_scaler
            .into_iter()
            .flat_map(|(_, counts)| counts.iter().copied())
    }
}

/// How often `counts` change their direction, from `begin` on.
fn reversals(begin: u32, counts: impl Iterator<Item = u32>) -> usize {
    let (mut before, mut rose, mut reversals) = (begin, None, 0);
    for count in counts {
        if count == before {
            continue;
        }
        let rises = count > before;
        reversals += usize::from(rose.is_some_and(|rose| rose != rises));
        (before, rose) = (count, Some(rises));
    }
    reversals
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(second: u64, pair: usize, replicas: u32) -> Write {
        Write {
            at: Duration::from_secs(second),
            scaler: Scaler::Hpa,
            pair,
            replicas,
        }
    }

    fn outcome(writes: Vec<Write>, settled: [u32; 2]) -> Outcome {
        let change = |second, pair, replicas| Change {
            at: Duration::from_secs(second),
            pair,
            replicas,
        };
        Outcome {
            pairs: 2,
            interval: Duration::from_secs(15),
            took: Duration::from_secs(60),
            begins: vec![(Scaler::Hpa, vec![2, 2])],
            phases: vec![PhaseOutcome {
                phase: Phase::StepUp,
                from: Duration::ZERO,
                until: Duration::from_secs(60),
                expected: vec![7, 5],
                settled: vec![
                    (Scaler::Hpa, vec![7, 5]),
                    (Scaler::HeadroomAsHpa, settled.to_vec()),
                ],
            }],
            changes: vec![change(1, 0, 7), change(2, 1, 5)],
            writes,
            requests: BTreeMap::from([(Scaler::Hpa, BTreeMap::from([("list pods".to_owned(), 8)]))]),
        }
    }

    #[test]
    fn a_reaction_is_the_first_write_in_the_direction_of_the_load() {
        let outcome = outcome(vec![write(3, 0, 1), write(9, 0, 4), write(20, 0, 7)], [7, 5]);
        let reaction = outcome.reaction(Scaler::Hpa, Phase::StepUp);
        assert_eq!(reaction.times, [Duration::from_secs(8)]);
        assert_eq!(reaction.missed, 1);
        assert_eq!(outcome.reversals(Scaler::Hpa), 1);
        assert_eq!(outcome.requests_per_interval(Scaler::Hpa), 2.0);
    }

    #[test]
    fn who_settles_elsewhere_is_named() {
        assert_eq!(
            outcome(Vec::new(), [7, 5]).disagreements(Scaler::HeadroomAsHpa),
            []
        );
        let said: Vec<String> = outcome(Vec::new(), [7, 4])
            .disagreements(Scaler::HeadroomAsHpa)
            .iter()
            .map(ToString::to_string)
            .collect();
        let expected =
            "step-up: pair 1 settled at 4 with headroom-as-hpa, at 5 with the HPA, for a load worth 5";
        assert_eq!(said, [expected]);
    }
}
