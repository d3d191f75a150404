//! The words for conditions, where the engine's are too long or say something else.

use headroom_policy_engine::RaisedCondition;

/// What is wrong, short.
pub(super) fn what(condition: &RaisedCondition) -> String {
    match condition {
        RaisedCondition::NotBecomingReady { .. } => "a replica does not become ready".to_owned(),
        RaisedCondition::FailingToStart { .. } | RaisedCondition::FleetBrake => condition.to_string(),
        RaisedCondition::Flapping { .. } => "the count turns around too often".to_owned(),
        RaisedCondition::SecondScaler { name } => format!("{name} scales it too"),
        RaisedCondition::SecondHeadroom { by } => format!("another headroom, {by}, scales it too"),
        RaisedCondition::RequestsSet { by, resources, .. } => {
            format!("{by} sets the requests of {resources}")
        }
        RaisedCondition::Contested { by: Some(by) } => format!("{by} keeps setting another count"),
        RaisedCondition::Contested { by: None } => "somebody else keeps setting another count".to_owned(),
        RaisedCondition::CountReset { by } => format!("{by} set the count back"),
        RaisedCondition::ReplicasNotStarting { replicas, .. } if replicas.get() == 1 => {
            "1 replica does not come up".to_owned()
        }
        RaisedCondition::ReplicasNotStarting { replicas, .. } => {
            format!("{replicas} replicas do not come up")
        }
        RaisedCondition::ReplicasRefused { .. } => "no further replica is let in".to_owned(),
        RaisedCondition::RequestsRecommended { by, resources } => {
            format!("{by} recommends requests of {resources}")
        }
        RaisedCondition::GuardOff { guard, .. } => format!("{guard} is off"),
    }
}

/// What happens for as long as it lasts.
pub(super) const fn meanwhile(condition: &RaisedCondition) -> &'static str {
    match condition {
        RaisedCondition::NotBecomingReady { .. } => {
            "no more are added than the ready ones ask for, until it is ready"
        }
        RaisedCondition::FailingToStart { .. } => "nothing is added until replicas start and stay up",
        RaisedCondition::Flapping { .. } => "nothing is removed until the count has turned around less often",
        RaisedCondition::SecondScaler { .. } => "nothing is changed until only one of the two is left",
        RaisedCondition::SecondHeadroom { .. } => {
            "nothing is changed until it is taken from the policies of one of the two, and another count is set once by hand"
        }
        RaisedCondition::RequestsSet { .. } => "nothing is changed until it leaves them alone",
        RaisedCondition::Contested { .. } => "nothing is removed until the count is left alone",
        RaisedCondition::CountReset { .. } => {
            "the count from before the deploy is set again, once a minute at most"
        }
        RaisedCondition::FleetBrake => "nothing is removed until the brake lets go",
        RaisedCondition::ReplicasNotStarting { .. } | RaisedCondition::ReplicasRefused { .. } => {
            "decided about as before, and what is added may not come up"
        }
        RaisedCondition::RequestsRecommended { .. } => "scaling goes on, as long as nothing sets them",
        RaisedCondition::GuardOff { .. } => "scaling goes on without this guard",
    }
}
