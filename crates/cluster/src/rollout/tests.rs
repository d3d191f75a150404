use serde_json::json;

use super::*;

const UPDATED: &str = "2026-11-26T10:00:00Z";

fn deployment_of(count: u64, updated: u64, there: u64, reason: &str) -> Rollout {
    let spec = json!({ "replicas": count, "progressDeadlineSeconds": 60 });
    let status = json!({
        "observedGeneration": 4, "replicas": there, "updatedReplicas": updated,
        "conditions": [{"type": "Progressing", "status": "True", "reason": reason, "lastUpdateTime": UPDATED}],
    });
    Progress::Deployment.read(Some(4), &spec, &status)
}

fn under_way() -> Rollout {
    let updated: jiff::Timestamp = UPDATED.parse().unwrap();
    let updated = Timestamp::from_unix_millis(updated.as_millisecond());
    Rollout::UnderWay {
        until: Some(updated.plus(Duration::from_secs(60))),
    }
}

#[test]
fn a_deployment_rolls_out_while_old_replicas_are_left_or_new_ones_awaited_at_most_until_its_deadline() {
    let done = "NewReplicaSetAvailable";
    assert_eq!(deployment_of(3, 1, 4, "ReplicaSetUpdated"), under_way());
    assert_eq!(deployment_of(3, 1, 4, done), under_way(), "old ones are left");
    assert_eq!(
        deployment_of(3, 0, 0, "NewReplicaSetCreated"),
        under_way(),
        "recreated"
    );
    assert_eq!(
        deployment_of(3, 1, 4, "ProgressDeadlineExceeded"),
        Rollout::Settled
    );
    assert_eq!(deployment_of(3, 3, 3, done), Rollout::Settled);
    assert_eq!(
        deployment_of(3, 3, 3, "DeploymentPaused"),
        Rollout::Settled,
        "paused alone"
    );
    assert_eq!(
        deployment_of(3, 1, 3, "DeploymentPaused"),
        under_way(),
        "paused half way"
    );
    for count in [1, 9] {
        assert_eq!(
            deployment_of(count, 3, 3, done),
            Rollout::Settled,
            "a new count alone"
        );
    }
}

#[test]
fn what_the_controller_has_not_seen_may_be_a_rollout_unless_it_is_a_new_count() {
    let read = |generation, count| {
        let spec = json!({ "replicas": count });
        let status = json!({ "observedGeneration": 4, "replicas": 3, "updatedReplicas": 3 });
        Progress::Deployment.read(Some(generation), &spec, &status)
    };
    assert_eq!(read(5, 3), Rollout::UnderWay { until: None });
    assert_eq!(read(5, 6), Rollout::Settled);
    assert_eq!(read(4, 3), Rollout::Settled);
}

#[test]
fn a_stateful_set_rolls_out_until_as_many_as_its_partition_says_are_new() {
    let read = |strategy: Value, current: &str, updated: u64| {
        let spec = json!({ "replicas": 4, "updateStrategy": strategy });
        let status = json!({
            "observedGeneration": 1, "replicas": 4, "updatedReplicas": updated,
            "currentRevision": current, "updateRevision": "db-2",
        });
        Progress::StatefulSet.read(Some(1), &spec, &status)
    };
    let rolling = || json!({ "type": "RollingUpdate" });
    let canary = || json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": 3 } });
    let under_way = Rollout::UnderWay { until: None };
    assert_eq!(read(rolling(), "db-1", 3), under_way);
    assert_eq!(read(rolling(), "db-2", 4), Rollout::Settled);
    assert_eq!(read(rolling(), "db-2", 3), Rollout::Settled, "a new count alone");
    assert_eq!(read(canary(), "db-1", 0), under_way);
    assert_eq!(read(canary(), "db-1", 1), Rollout::Settled);
    assert_eq!(
        read(json!({ "type": "OnDelete" }), "db-1", 0),
        Rollout::Settled,
        "a person's to do"
    );
}

#[test]
fn of_other_kinds_nothing_is_known_and_of_those_without_rollouts_there_is_none() {
    let read = |kind| Progress::of_kind(kind).read(Some(2), &json!({}), &json!({"observedGeneration": 1}));
    assert_eq!(read("Rollout"), Rollout::Unknown);
    assert_eq!(read("ReplicaSet"), Rollout::Settled);
}

#[test]
fn only_pods_that_could_not_be_created_were_refused() {
    let status = |reason: &str, status: &str| {
        json!({"conditions": [
            {"type": "ReplicaFailure", "status": status, "reason": reason, "message": "exceeded quota: pods"}]})
    };
    assert_eq!(
        refusal(&status("FailedCreate", "True")).as_deref(),
        Some("exceeded quota: pods")
    );
    assert_eq!(refusal(&status("FailedCreate", "False")), None);
    assert_eq!(refusal(&status("FailedDelete", "True")), None);
    assert_eq!(refusal(&json!({})), None);
}
