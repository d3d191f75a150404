use headroom_cluster::{FieldOwner, Labels};
use headroom_policy_engine::{ConditionStatus, PodPhase, ReadyCondition};

use super::*;

const NOW: Timestamp = Timestamp::from_unix_millis(1_790_000_000_000);

fn before(seconds: u64) -> Timestamp {
    NOW.minus(Duration::from_secs(seconds))
}

fn object(replicas: u32) -> Scalable {
    Scalable {
        name: "api".into(),
        uid: "u".into(),
        version: "1".into(),
        replicas: Some(Replicas::new(replicas)),
        observed: Replicas::new(3),
        selector: Some("app=api".into()),
        replicas_owner: None,
        deleting: false,
    }
}

/// A pod of `api` whose Ready condition has been like this for so many seconds.
fn pod(name: &str, status: ConditionStatus, seconds: u64) -> Pod {
    Pod {
        name: name.into(),
        uid: format!("uid-of-{name}").into(),
        labels: Labels::from_iter([("app".to_owned(), "api".to_owned())]),
        created: before(1_000),
        started_at: Some(before(999)),
        deleting: false,
        phase: PodPhase::Running,
        ready: Some(ReadyCondition {
            status,
            since: before(seconds),
        }),
        ip: Some("10.1.0.7".parse().unwrap()),
        containers: Box::default(),
        init_containers: Box::default(),
        requests: None,
        trouble: None,
        scrape_address: None,
    }
}

fn ready(name: &str) -> Pod {
    pod(name, ConditionStatus::True, 500)
}

fn state_of(object: &Scalable, pods: impl IntoIterator<Item = Pod>) -> TargetState {
    state(object, Some(&pods.into_iter().collect()), NOW).unwrap()
}

fn readiness_of(replicas: u32, pods: impl IntoIterator<Item = Pod>) -> (u32, Option<u64>) {
    match state_of(&object(replicas), pods).workload.readiness {
        Readiness::Known {
            ready,
            longest_unready,
        } => (ready.get(), longest_unready.map(|span| span.as_secs())),
        Readiness::Unknown => panic!("readiness is not known"),
    }
}

#[test]
fn the_counts_are_those_of_the_object() {
    let workload = state_of(&object(4), []).workload;
    assert_eq!(
        (workload.current.get(), workload.observed),
        (4, Some(Replicas::new(3)))
    );
    assert_eq!(workload.selector, SelectorState::Usable);
}

#[test]
fn the_replica_that_has_waited_longest_counts() {
    let pods = [
        ready("a"),
        pod("b", ConditionStatus::False, 90),
        pod("c", ConditionStatus::Unknown, 30),
    ];
    assert_eq!(readiness_of(3, pods), (1, Some(90)));
    assert_eq!(readiness_of(2, [ready("a"), ready("b")]), (2, None));
}

#[test]
fn a_pod_without_a_condition_waits_since_it_was_created() {
    let unscheduled = Pod {
        ready: None,
        phase: PodPhase::Pending,
        ..ready("a")
    };
    assert_eq!(readiness_of(1, [unscheduled]), (0, Some(1_000)));
}

#[test]
fn pods_that_are_not_there_yet_have_waited_for_no_time_that_is_known() {
    assert_eq!(readiness_of(3, [ready("a")]), (1, Some(0)));
}

#[test]
fn pods_that_ended_or_are_ending_are_no_replicas() {
    let ending = Pod {
        deleting: true,
        ..pod("b", ConditionStatus::False, 600)
    };
    let ended = Pod {
        phase: PodPhase::Failed,
        ..pod("c", ConditionStatus::False, 700)
    };
    let state = state_of(&object(1), [ready("a"), ending, ended]);
    let endpoints: Vec<&str> = state.replicas.iter().map(|replica| &*replica.id).collect();
    assert_eq!(endpoints, ["uid-of-a"]);
    let known = Readiness::Known {
        ready: Replicas::new(1),
        longest_unready: None,
    };
    assert_eq!(state.workload.readiness, known);
}

#[test]
fn pods_of_others_are_not_counted() {
    let other = Pod {
        labels: Labels::from_iter([("app".to_owned(), "shop".to_owned())]),
        ..ready("other")
    };
    assert_eq!(readiness_of(1, [other, ready("a")]), (1, None));
}

#[test]
fn an_address_becomes_a_url_and_no_address_becomes_none() {
    let six = Pod {
        ip: Some("fd00::7".parse().unwrap()),
        ..ready("a")
    };
    let none = Pod {
        ip: None,
        ..ready("b")
    };
    let state = state_of(&object(3), [six, none, pod("c", ConditionStatus::False, 1)]);
    let told: Vec<_> = state
        .replicas
        .iter()
        .map(|replica| (&*replica.base_url, replica.ready))
        .collect();
    assert_eq!(told, [("http://[fd00::7]", true), ("http://10.1.0.7", false)]);
}

#[test]
fn who_wrote_the_count_is_told_by_its_owner() {
    let by = |manager: Option<&str>| {
        let owned = Scalable {
            replicas_owner: manager.map(|manager| FieldOwner {
                manager: manager.into(),
                at: None,
            }),
            ..object(0)
        };
        state_of(&owned, []).workload.origin
    };
    assert_eq!(by(Some("headroom")), CountOrigin::WrittenByHeadroom);
    assert_eq!(by(Some("kubectl")), CountOrigin::WrittenByOthers);
    assert_eq!(by(None), CountOrigin::Read);
}

#[test]
fn without_a_selector_or_pods_readiness_is_not_known() {
    for (selector, expected) in [
        (None, SelectorState::Missing),
        (Some(""), SelectorState::Missing),
        (Some("app in"), SelectorState::Invalid),
    ] {
        let object = Scalable {
            selector: selector.map(Into::into),
            ..object(2)
        };
        let state = state_of(&object, [ready("a")]);
        assert_eq!(
            (state.workload.selector, state.workload.readiness),
            (expected, Readiness::Unknown)
        );
        assert!(state.replicas.is_empty());
    }
    let blind = state(&object(2), None, NOW).unwrap();
    assert_eq!(blind.workload.readiness, Readiness::Unknown);
    assert_eq!(blind.workload.selector, SelectorState::Usable);
}

#[test]
fn a_target_that_is_being_deleted_is_held() {
    let going = Scalable {
        deleting: true,
        ..object(2)
    };
    assert_eq!(state_of(&going, []).workload.holds, [Hold::BeingDeleted]);
    assert_eq!(state_of(&object(2), []).workload.holds, []);
}

#[test]
fn a_count_that_is_absent_is_an_error_and_not_zero() {
    let absent = Scalable {
        replicas: None,
        ..object(1)
    };
    assert!(matches!(
        state(&absent, None, NOW),
        Err(ClusterError::NoCount { .. })
    ));
}
