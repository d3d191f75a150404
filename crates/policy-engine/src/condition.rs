//! What is wrong with a workload beyond its load, so that people are told: raised for as long as it lasts.
//!
//! Told from what is known of the workload, and not from what it kept the count from: a condition does not come and go
//! with the load.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use crate::{
    Hold, Memory, Replicas, Timestamp, Workload, WorkloadPolicy,
    hold::{FLEET_BRAKE, LEAVE_REQUESTS, ONE_HEADROOM},
    step::Span,
};

/// Something about a workload that somebody has to look at, raised for as long as it lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum RaisedCondition {
    /// Some replicas have been starting for longer than three times their usual time (I44).
    NotBecomingReady {
        /// Replicas that can serve.
        ready: Replicas,
        /// How long the slowest one has been starting.
        starting_for: Duration,
    },
    /// Replicas cannot start or keep dying.
    FailingToStart {
        /// How many.
        failing: Replicas,
    },
    /// The count turned around more often within an hour than is allowed.
    Flapping {
        /// Reversals within the last hour.
        reversals: u32,
        /// So many are allowed.
        allowed: u32,
    },
    /// Something else scales the target too.
    SecondScaler {
        /// What it is, as its users call it.
        name: Arc<str>,
    },
    /// Another headroom has set the count since this one did.
    SecondHeadroom {
        /// Which one, by the name under which it writes.
        by: Arc<str>,
    },
    /// Something sets the requests that the count follows.
    RequestsSet {
        /// What it is, as its users call it.
        by: Arc<str>,
        /// Of which resources.
        resources: Arc<str>,
        /// When it sets them, in its own words.
        mode: Arc<str>,
    },
    /// Somebody else keeps setting the count.
    Contested {
        /// Who; `None` where the target does not tell.
        by: Option<Arc<str>>,
    },
    /// A deploy set the count back within the last ten minutes, and would do so again.
    CountReset {
        /// Who deployed.
        by: Arc<str>,
    },
    /// Too much of the fleet would fall at once.
    FleetBrake,
    /// Replicas that are there do not come up.
    ReplicasNotStarting {
        /// How many.
        replicas: Replicas,
        /// Why one of them does not, in the words of what starts it.
        because: Arc<str>,
    },
    /// No further replica is let in, whatever the count: by a quota, or a check at admission.
    ReplicasRefused {
        /// Why, in the words of what refuses.
        because: Arc<str>,
    },
    /// A guard is off, because what it needs is not known.
    GuardOff {
        /// Which guard, for people.
        guard: Arc<str>,
        /// What is missing, with the way out where there is one.
        because: Arc<str>,
    },
    /// Something recommends other requests for the replicas than they have, and sets none.
    RequestsRecommended {
        /// What it is, as its users call it.
        by: Arc<str>,
        /// Of which resources.
        resources: Arc<str>,
    },
}

/// How soon somebody has to look at a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something is not looked after. Nothing is wrong by that.
    Notice,
    /// Before long.
    Warning,
    /// At once: it does not end by itself.
    Critical,
}

impl RaisedCondition {
    /// The conditions that `workload` is in at `now`, the same before and after it is [evaluated](crate::evaluate), once
    /// [`Memory::begin`] has taken note of `now`. Under any semantics, also where the HPA would do nothing about them.
    #[must_use]
    pub fn of(policy: &WorkloadPolicy, workload: &Workload, memory: &Memory, now: Timestamp) -> Vec<Self> {
        let stuck = policy.guards.stuck(workload.readiness);
        let allowed = policy.guards.max_reversals;
        let flapping = memory.reversals_above(allowed, now);
        let holds = workload.holds.iter().filter(|hold| hold.is_in_force(now));
        stuck
            .map(|(ready, starting_for)| Self::NotBecomingReady { ready, starting_for })
            .into_iter()
            .chain(flapping.map(|reversals| Self::Flapping { reversals, allowed }))
            .chain(memory.resets.fight(now).as_ref().and_then(Self::of_hold))
            .chain(
                memory
                    .resets
                    .lately_by(now)
                    .map(|by| Self::CountReset { by: by.clone() }),
            )
            .chain(holds.filter_map(Self::of_hold))
            .chain(workload.raised.iter().cloned())
            .collect()
    }

    /// What is wrong where `hold` is in force; `None` where it is part of how things go.
    #[must_use]
    pub fn of_hold(hold: &Hold) -> Option<Self> {
        match hold {
            Hold::SecondScaler { name, .. } => Some(Self::SecondScaler { name: name.clone() }),
            Hold::SecondHeadroom { by } => Some(Self::SecondHeadroom { by: by.clone() }),
            Hold::RequestsSet { by, resources, mode } => Some(Self::RequestsSet {
                by: by.clone(),
                resources: resources.clone(),
                mode: mode.clone(),
            }),
            Hold::FailingToStart { failing } => Some(Self::FailingToStart { failing: *failing }),
            Hold::Contested { by, .. } => Some(Self::Contested { by: by.clone() }),
            Hold::FleetBrake { .. } => Some(Self::FleetBrake),
            Hold::Paused { .. }
            | Hold::BeingDeleted
            | Hold::ScaleDownHeld { .. }
            | Hold::RollingOut { .. } => None,
        }
    }

    /// How soon somebody has to look at it.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Contested { .. } => Severity::Critical,
            Self::RequestsRecommended { .. } | Self::GuardOff { .. } => Severity::Notice,
            Self::NotBecomingReady { .. }
            | Self::FailingToStart { .. }
            | Self::Flapping { .. }
            | Self::SecondScaler { .. }
            | Self::SecondHeadroom { .. }
            | Self::RequestsSet { .. }
            | Self::CountReset { .. }
            | Self::FleetBrake
            | Self::ReplicasNotStarting { .. }
            | Self::ReplicasRefused { .. } => Severity::Warning,
        }
    }

    /// The condition as machines name it, as in JSON. The same for as long as it lasts.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotBecomingReady { .. } => "not_becoming_ready",
            Self::FailingToStart { .. } => "failing_to_start",
            Self::Flapping { .. } => "flapping",
            Self::SecondScaler { .. } => "second_scaler",
            Self::SecondHeadroom { .. } => "second_headroom",
            Self::RequestsSet { .. } => "requests_set",
            Self::Contested { .. } => "contested",
            Self::CountReset { .. } => "count_reset",
            Self::FleetBrake => "fleet_brake",
            Self::ReplicasNotStarting { .. } => "replicas_not_starting",
            Self::ReplicasRefused { .. } => "replicas_refused",
            Self::RequestsRecommended { .. } => "requests_recommended",
            Self::GuardOff { .. } => "guard_off",
        }
    }
}

impl RaisedCondition {
    /// What tells it from others of its kind about the same workload: who or what it is about, where there can be several.
    #[must_use]
    pub fn subject(&self) -> Cow<'static, str> {
        match self.about() {
            Some(about) => format!("{}/{about}", self.code()).into(),
            None => self.code().into(),
        }
    }

    /// Whether `subject` is its own. Makes no text.
    #[must_use]
    pub fn is_about(&self, subject: &str) -> bool {
        match self.about() {
            Some(about) => {
                let rest = subject.strip_prefix(self.code());
                rest.and_then(|rest| rest.strip_prefix('/')) == Some(about)
            }
            None => subject == self.code(),
        }
    }

    fn about(&self) -> Option<&str> {
        match self {
            Self::SecondScaler { name } => Some(name),
            Self::SecondHeadroom { by } | Self::RequestsSet { by, .. } => Some(by),
            Self::RequestsRecommended { by, .. } => Some(by),
            Self::GuardOff { guard, .. } => Some(guard),
            Self::NotBecomingReady { .. }
            | Self::FailingToStart { .. }
            | Self::Flapping { .. }
            | Self::Contested { .. }
            | Self::CountReset { .. }
            | Self::FleetBrake
            | Self::ReplicasNotStarting { .. }
            | Self::ReplicasRefused { .. } => None,
        }
    }
}

impl fmt::Display for RaisedCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBecomingReady { ready, starting_for } => {
                let starting_for = Span(*starting_for);
                write!(
                    f,
                    "{ready} can serve, and another replica has been starting for {starting_for}"
                )
            }
            Self::Flapping { reversals, allowed } => write!(
                f,
                "the count has turned around {reversals} times within an hour, and {allowed} are allowed"
            ),
            Self::FailingToStart { failing } => Hold::FailingToStart { failing: *failing }.fmt(f),
            Self::SecondScaler { name } => Hold::SecondScaler {
                name: name.clone(),
                wants: None,
            }
            .fmt(f),
            Self::SecondHeadroom { by } => {
                let hold = Hold::SecondHeadroom { by: by.clone() };
                write!(f, "{hold}: {ONE_HEADROOM}")
            }
            Self::RequestsSet { by, resources, mode } => {
                let hold = Hold::RequestsSet {
                    by: by.clone(),
                    resources: resources.clone(),
                    mode: mode.clone(),
                };
                write!(f, "{hold}: {LEAVE_REQUESTS}")
            }
            Self::Contested { by } => Hold::Contested {
                by: by.clone(),
                until: None,
            }
            .fmt(f),
            Self::CountReset { by } => write!(
                f,
                "{by} set the count back as it deployed, and will do so again: take spec.replicas out of what it deploys \
                 (with Argo CD, also name /spec/replicas under ignoreDifferences)"
            ),
            Self::FleetBrake => f.write_str(FLEET_BRAKE),
            Self::ReplicasNotStarting { replicas, because } if replicas.get() == 1 => {
                write!(f, "1 replica does not come up: {because}")
            }
            Self::ReplicasNotStarting { replicas, because } => {
                write!(f, "{} replicas do not come up: {because}", replicas.get())
            }
            Self::ReplicasRefused { because } => write!(f, "no further replica is let in: {because}"),
            Self::RequestsRecommended { by, resources } => write!(
                f,
                "{by} recommends requests of {resources} and sets none; if it set them, nothing would be written, because \
                 the count follows what is used of them"
            ),
            Self::GuardOff { guard, because } => write!(f, "{guard} is off: {because}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Readiness,
        evaluate::world::{World, fresh, metric},
        testing,
    };

    fn raised(world: &World) -> Vec<RaisedCondition> {
        RaisedCondition::of(&world.policy, &world.workload, &world.memory, world.now)
    }

    fn starting_for(seconds: Option<u64>) -> Readiness {
        Readiness::Known {
            ready: Replicas::new(3),
            longest_unready: seconds.map(Duration::from_secs),
        }
    }

    #[test]
    fn a_replica_that_is_stuck_is_told_of_whatever_the_load_asks_for() {
        let mut world = World::new(4, vec![metric("load")]);
        for (readiness, expected) in [
            (Readiness::Unknown, None),
            (starting_for(None), None),
            (starting_for(Some(360)), None),
            (
                starting_for(Some(361)),
                Some("3 can serve, and another replica has been starting for 6 min 1 s"),
            ),
        ] {
            world.workload.readiness = readiness;
            let said = raised(&world).first().map(ToString::to_string);
            assert_eq!(said.as_deref(), expected, "{readiness:?}");
        }
    }

    #[test]
    fn a_count_that_turns_around_too_often_is_told_of_until_an_hour_has_passed() {
        let mut world = World::new(1, vec![metric("load")]);
        world.policy.guards.max_reversals = 1;
        for load in [500.0, 100.0, 500.0, 100.0] {
            world.pass(60, &[fresh(load)]);
        }
        let told = raised(&world);
        assert_eq!(told.first().map(RaisedCondition::code), Some("flapping"));
        let said = "the count has turned around 2 times within an hour, and 1 are allowed";
        assert_eq!(told.first().map(ToString::to_string).as_deref(), Some(said));
        world.now = world.now.plus(Duration::from_secs(3600));
        assert_eq!(raised(&world), []);
    }

    #[test]
    fn what_the_target_tells_beside_its_holds_is_told_of_too() {
        let mut world = World::new(4, vec![metric("load")]);
        let because: Arc<str> = "0/3 nodes are available".into();
        let stuck = |replicas| RaisedCondition::ReplicasNotStarting {
            replicas: Replicas::new(replicas),
            because: Arc::clone(&because),
        };
        world.workload.raised = vec![stuck(1), stuck(2)];
        let told: Vec<_> = raised(&world).iter().map(ToString::to_string).collect();
        let expected = [
            "1 replica does not come up: 0/3 nodes are available",
            "2 replicas do not come up: 0/3 nodes are available",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_hold_that_somebody_has_to_look_at_is_told_of_while_it_is_in_force() {
        let mut world = World::new(4, vec![metric("load")]);
        for hold in testing::holds() {
            world.now = testing::DECIDED_AT;
            world.workload.holds = vec![hold.clone()];
            let expected = match hold {
                Hold::Paused { .. }
                | Hold::BeingDeleted
                | Hold::ScaleDownHeld { .. }
                | Hold::RollingOut { .. } => None,
                Hold::SecondHeadroom { .. } => {
                    Some((hold.reason().code(), format!("{hold}: {ONE_HEADROOM}")))
                }
                Hold::RequestsSet { .. } => Some((hold.reason().code(), format!("{hold}: {LEAVE_REQUESTS}"))),
                Hold::SecondScaler { .. }
                | Hold::FailingToStart { .. }
                | Hold::Contested { .. }
                | Hold::FleetBrake { .. } => Some((hold.reason().code(), hold.to_string())),
            };
            let told = |world: &World| {
                let condition = raised(world).into_iter().next();
                condition.map(|condition| (condition.code(), condition.to_string()))
            };
            assert_eq!(told(&world), expected);
            if let Some(until) = hold.until() {
                world.now = until;
                assert_eq!(told(&world), None, "{hold:?}");
            }
        }
    }
}
