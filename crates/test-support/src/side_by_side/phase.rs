//! What happens in each phase.

use std::time::Duration;

/// Over how long a step comes to all pairs, one after the other: so that it meets each at another point of its interval.
const STAGGER: Duration = Duration::from_secs(15);

/// A part of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The load rises to several times what it was.
    StepUp,
    /// It rises for twenty seconds and falls again.
    Spike,
    /// A new version is rolled out under that load.
    Rollout,
    /// The load falls to what it was at first.
    StepDown,
    /// It rises within forty seconds.
    Ramp,
    /// metrics.k8s.io is gone for forty seconds, in which the load falls.
    Outage,
}

impl Phase {
    /// All of them, in the order in which they begin where the one before ends.
    pub const ALL: [Self; 6] = [
        Self::StepUp,
        Self::Spike,
        Self::Rollout,
        Self::StepDown,
        Self::Ramp,
        Self::Outage,
    ];

    /// Its name, such as `step-up`.
    pub fn name(self) -> &'static str {
        match self {
            Self::StepUp => "step-up",
            Self::Spike => "spike",
            Self::Rollout => "rollout",
            Self::StepDown => "step-down",
            Self::Ramp => "ramp",
            Self::Outage => "outage",
        }
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.name() == name)
    }

    /// What happens, and how long after the phase began, in order.
    pub fn script(self, pairs: usize) -> Vec<(Duration, Act)> {
        let load = |pair, replicas| Act::Load { pair, replicas };
        let mut script: Vec<(Duration, Act)> = Vec::new();
        for pair in 0..pairs {
            let at = stagger(pair);
            match self {
                Self::StepUp => script.push((at, load(pair, busy(pair)))),
                Self::StepDown => script.push((at, load(pair, quiet(pair)))),
                Self::Spike => {
                    script.push((at, load(pair, peak(pair))));
                    script.push((at + Duration::from_secs(20), load(pair, busy(pair))));
                }
                Self::Rollout => script.push((at, Act::Rollout { pair })),
                Self::Ramp => {
                    script.extend((1..=4).map(|step: u32| {
                        let rise = (busy(pair) - quiet(pair)) * step / 4;
                        (Duration::from_secs(10) * step, load(pair, quiet(pair) + rise))
                    }));
                }
                Self::Outage => script.push((Duration::from_secs(5) + at, load(pair, quiet(pair)))),
            }
        }
        if self == Self::Outage {
            script.push((Duration::ZERO, Act::MetricsGone));
            script.push((Duration::from_secs(40), Act::MetricsBack));
        }
        script.sort_by_key(|(at, _)| *at);
        script
    }
}

/// Something that happens to a pair, or to all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// The load on it is worth so many replicas.
    Load {
        /// Which.
        pair: usize,
        /// How many.
        replicas: u32,
    },
    /// Its pods are replaced by new ones, step by step.
    Rollout {
        /// Which.
        pair: usize,
    },
    /// metrics.k8s.io does not answer any more.
    MetricsGone,
    /// It does again.
    MetricsBack,
}

/// Spread evenly whatever the number of pairs (each is 0.618 of the way on from the one before), and in another order
/// than that in which they were created, which is the order in which the HPA looks at them.
fn stagger(pair: usize) -> Duration {
    let thousandths = u32::try_from(pair * 618 % 1000).unwrap_or(0);
    STAGGER * thousandths / 1000
}

/// What the load of a pair is worth at first: two or three replicas.
pub(super) fn quiet(pair: usize) -> u32 {
    2 + nth(pair, 2)
}

/// And under load: five to eight. Up to eight, the count before a right one is wrong by more than the tolerance.
fn busy(pair: usize) -> u32 {
    5 + nth(pair, 4)
}

/// And in a spike.
fn peak(pair: usize) -> u32 {
    busy(pair) * 2
}

fn nth(pair: usize, of: usize) -> u32 {
    u32::try_from(pair % of).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_comes_back_to_where_it_was() {
        for pairs in [1, 2, 15] {
            let mut worth: Vec<u32> = (0..pairs).map(quiet).collect();
            for phase in Phase::ALL {
                let mut before = Duration::ZERO;
                for (at, act) in phase.script(pairs) {
                    assert!(at >= before, "{phase:?}");
                    before = at;
                    if let Act::Load { pair, replicas } = act {
                        worth[pair] = replicas;
                    }
                }
                let expected = match phase {
                    Phase::StepUp | Phase::Spike | Phase::Rollout | Phase::Ramp => busy,
                    Phase::StepDown | Phase::Outage => quiet,
                };
                assert_eq!(worth, (0..pairs).map(expected).collect::<Vec<_>>(), "{phase:?}");
            }
        }
    }

    #[test]
    fn a_phase_is_found_by_its_name() {
        for phase in Phase::ALL {
            assert_eq!(Phase::named(phase.name()), Some(phase));
        }
        assert_eq!(Phase::named("nap"), None);
    }
}
