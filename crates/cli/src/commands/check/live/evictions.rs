//! What PodDisruptionBudgets mean for a target: nothing for its count, and something for the nodes that its pods run on.

use headroom_autoscaler::{ClusterProbe, WorkloadSettings};
use headroom_cluster::{ClusterError, Objects, Pdb, Pod};
use headroom_policy_engine::{ReplicaBounds, Timestamp, hpa::Selector};

use super::findings::Answer;

/// The budgets that are for pods of a target, whose own `selector` this is.
pub(super) async fn of_target(
    probe: &ClusterProbe,
    workload: &WorkloadSettings,
    namespace: &str,
    (selector, pods): (&str, &Objects<Pod>),
    now: Timestamp,
) -> Vec<(Answer, String)> {
    let own = match Selector::parse(selector) {
        Ok(own) if !selector.is_empty() => own,
        // That nothing is known of its pods has been said.
        Ok(_) | Err(_) => return Vec::new(),
    };
    match probe.view.pdbs(namespace, now).await {
        Ok(budgets) => {
            let budgets = budgets.all().iter();
            let bounds = workload.policy.bounds;
            budgets
                .filter_map(|budget| of_budget(budget, bounds, &own, pods))
                .collect()
        }
        Err(error) => unknown(&error).into_iter().collect(),
    }
}

/// Where they may not be read, that was said of the cluster.
fn unknown(error: &ClusterError) -> Option<(Answer, String)> {
    (!error.is_forbidden()).then(|| {
        let text = format!("whether a PodDisruptionBudget is for its pods is not known: {error}");
        (Answer::Look, text)
    })
}

/// What `budget` means for the pods that `own` selects, of a policy with these `bounds`; `None` where it is for none of them.
fn of_budget(
    budget: &Pdb,
    bounds: ReplicaBounds,
    own: &Selector,
    pods: &Objects<Pod>,
) -> Option<(Answer, String)> {
    let text = budget.selector.as_deref()?;
    let selector = match Selector::parse(text) {
        Ok(selector) => selector,
        Err(error) => {
            let name = &budget.name;
            let text =
                format!("the selector of PodDisruptionBudget/{name}, `{text}`, cannot be read: {error}");
            return Some((Answer::Look, text));
        }
    };
    let selected = pods.selected(&selector).into_iter().filter(|pod| pod.counts());
    let (own, others): (Vec<_>, Vec<_>) = selected.partition(|pod| pod.labels.matches(own));
    if own.is_empty() {
        return None;
    }
    Some(at_the_fewest(
        budget,
        bounds,
        u32::try_from(others.len()).unwrap_or(u32::MAX),
    ))
}

/// What `budget` leaves to a node drain at the fewest replicas that have pods, beside `others` that it is for too.
fn at_the_fewest(budget: &Pdb, bounds: ReplicaBounds, others: u32) -> (Answer, String) {
    let Pdb { name, budget, .. } = budget;
    let fewest = bounds.min().get().max(1);
    let room = |replicas: u32| budget.room(replicas.saturating_add(others));
    let replicas = if fewest == 1 { "replica" } else { "replicas" };
    let beside = match others {
        0 => String::new(),
        1 => " beside 1 pod of another workload".to_owned(),
        others => format!(" beside {others} pods of other workloads"),
    };
    let at = format!("at {fewest} {replicas}, the fewest of the policy{beside}");
    match room(fewest) {
        0 => {
            let enough = (fewest..=bounds.max().get()).find(|replicas| room(*replicas) > 0);
            let way_out =
                enough.map_or_else(String::new, |enough| format!(", or set min_replicas = {enough}"));
            let text = format!(
                "PodDisruptionBudget/{name} ({budget}) lets no pod be evicted {at}, so that the drain of a node hangs there: \
                 give it room for one{way_out}; scaling down does not obey it"
            );
            (Answer::Look, text)
        }
        room => {
            let pods = if room == 1 {
                "1 pod"
            } else {
                &format!("{room} pods")
            };
            let text = format!(
                "PodDisruptionBudget/{name} ({budget}) lets {pods} be evicted {at}; scaling down does not obey it"
            );
            (Answer::Ok, text)
        }
    }
}

#[cfg(test)]
mod tests {
    use headroom_cluster::{Budget, Share};
    use headroom_policy_engine::Replicas;

    use super::*;

    fn check(budget: Budget, bounds: (u32, u32), others: u32, answer: Answer, expected: &str) {
        let budget = Pdb {
            name: "api".into(),
            selector: Some("app=api".into()),
            budget,
        };
        let bounds = ReplicaBounds::new(Replicas::new(bounds.0), Replicas::new(bounds.1)).unwrap();
        let (given, text) = at_the_fewest(&budget, bounds, others);
        assert_eq!(text, expected);
        assert_eq!(given, answer);
    }

    #[test]
    fn a_budget_without_room_at_the_fewest_replicas_is_to_be_looked_at_with_the_way_out() {
        check(
            Budget::MinAvailable(Share::Pods(3)),
            (2, 10),
            0,
            Answer::Look,
            "PodDisruptionBudget/api (minAvailable: 3) lets no pod be evicted at 2 replicas, the fewest of the policy, so that \
             the drain of a node hangs there: give it room for one, or set min_replicas = 4; scaling down does not obey it",
        );
        // No count of this policy would do.
        for (budget, words) in [
            (Budget::MaxUnavailable(Share::Pods(0)), "maxUnavailable: 0"),
            (Budget::MinAvailable(Share::Pods(10)), "minAvailable: 10"),
        ] {
            check(
                budget,
                (1, 10),
                0,
                Answer::Look,
                &format!(
                    "PodDisruptionBudget/api ({words}) lets no pod be evicted at 1 replica, the fewest of the policy, so \
                     that the drain of a node hangs there: give it room for one; scaling down does not obey it"
                ),
            );
        }
    }

    #[test]
    fn a_budget_with_room_is_a_remark() {
        check(
            Budget::MinAvailable(Share::Percent(50)),
            (4, 10),
            0,
            Answer::Ok,
            "PodDisruptionBudget/api (minAvailable: 50%) lets 2 pods be evicted at 4 replicas, the fewest of the policy; \
             scaling down does not obey it",
        );
    }

    #[test]
    fn pods_of_others_that_it_is_for_too_leave_room_as_well() {
        check(
            Budget::MinAvailable(Share::Pods(2)),
            (2, 10),
            1,
            Answer::Ok,
            "PodDisruptionBudget/api (minAvailable: 2) lets 1 pod be evicted at 2 replicas, the fewest of the policy \
             beside 1 pod of another workload; scaling down does not obey it",
        );
    }
}
