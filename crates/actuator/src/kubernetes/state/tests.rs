use std::num::NonZeroU16;

use headroom_cluster::{FieldOwner, Labels, NamedPort, PodTrouble};
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
        tells_owners: true,
        deleting: false,
        rollout: Rollout::Settled,
        refused: None,
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
        ports: Arc::default(),
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
    seen(object, Some(&pods.into_iter().collect())).unwrap()
}

fn seen(object: &Scalable, pods: Option<&Objects<Pod>>) -> Result<TargetState, ClusterError> {
    let seen = Seen {
        object,
        pods,
        tells_pods: true,
        second_scalers: Vec::new(),
        vertical: guards::Vertical::default(),
        off: Vec::new(),
    };
    state(seen, NOW)
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
    assert_eq!(endpoints, ["a (uid-of-a)"]);
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
fn each_pod_says_where_it_can_be_asked_also_one_that_has_no_address_yet() {
    let ports = Arc::from([NamedPort {
        name: "metrics".into(),
        number: NonZeroU16::new(9090).unwrap(),
    }]);
    let first = Pod {
        ports: Arc::clone(&ports),
        scrape_address: Some("127.0.0.1:9".into()),
        ..ready("a")
    };
    let second = Pod {
        ip: None,
        ..pod("b", ConditionStatus::False, 1)
    };
    let state = state_of(&object(2), [first, second]);
    let replica = |id: &str, address, ready| ReplicaEndpoint {
        id: id.into(),
        address,
        ready,
    };
    let of_first = ReplicaAddress::Pod {
        ip: Some("10.1.0.7".parse().unwrap()),
        ports,
        scrape_address: Some("127.0.0.1:9".into()),
    };
    let of_second = ReplicaAddress::Pod {
        ip: None,
        ports: Arc::default(),
        scrape_address: None,
    };
    let expected = [
        replica("a (uid-of-a)", of_first, true),
        replica("b (uid-of-b)", of_second, false),
    ];
    assert_eq!(state.replicas, expected);
}

#[test]
fn who_wrote_the_count_is_told_by_its_owner() {
    let by = |manager: Option<&str>| {
        let owned = Scalable {
            replicas_owner: manager.map(|manager| FieldOwner {
                manager: manager.into(),
                at: None,
                wrote_template: false,
            }),
            ..object(0)
        };
        state_of(&owned, []).workload.origin
    };
    for headroom in ["headroom", "headroom-1a2b3c4d"] {
        assert_eq!(by(Some(headroom)), CountOrigin::WrittenByHeadroom);
    }
    assert_eq!(by(Some("kubectl")), CountOrigin::WrittenByOthers);
    assert_eq!(by(None), CountOrigin::Read);
}

#[test]
fn a_count_came_with_a_deploy_where_its_owner_wrote_the_template_too_and_is_not_headroom() {
    let of = |manager: &str, wrote_template, at| {
        let owned = Scalable {
            replicas_owner: Some(FieldOwner {
                manager: manager.into(),
                at,
                wrote_template,
            }),
            ..object(3)
        };
        state_of(&owned, []).workload.deploy
    };
    let deploy = Deploy {
        by: "helm".into(),
        at: before(20),
    };
    let at = Some(before(20));
    assert_eq!(of("helm", true, at), Some(deploy));
    assert_eq!(of("helm", false, at), None, "a count alone");
    assert_eq!(of("headroom-1a2b3c4d", true, at), None);
    assert_eq!(of("helm", true, None), None, "nobody knows which one it was");
}

#[test]
fn without_a_selector_or_pods_readiness_is_not_known() {
    let (missing, invalid) = ("has no selector", "selector cannot be read");
    for (selector, expected, said) in [
        (None, SelectorState::Missing, missing),
        (Some(""), SelectorState::Missing, missing),
        (Some("app in"), SelectorState::Invalid, invalid),
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
        let [off] = &*state.workload.raised else {
            panic!("one guard is off: {:?}", state.workload.raised)
        };
        let off = off.to_string();
        let guard = "the guard against replicas that do not become ready is off: the object";
        assert!(off.starts_with(guard) && off.contains(said), "{off}");
        let unread = seen(&object, None).unwrap().workload.raised;
        assert!(
            unread.is_empty(),
            "who may not read pods is told of that: {unread:?}"
        );
    }
    let blind = seen(&object(2), None).unwrap();
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
    assert!(matches!(seen(&absent, None), Err(ClusterError::NoCount { .. })));
}

#[test]
fn a_rollout_holds_until_its_deadline_and_nothing_is_guessed_where_it_is_not_known() {
    let rolling = |rollout| {
        let object = Scalable { rollout, ..object(2) };
        state_of(&object, []).workload.holds
    };
    let until = Some(NOW);
    assert_eq!(rolling(Rollout::UnderWay { until }), [Hold::RollingOut { until }]);
    assert_eq!(rolling(Rollout::Unknown), []);
}

#[test]
fn pods_that_are_refused_hold_scaling_up_and_say_why() {
    let refused = Scalable {
        refused: Some("exceeded quota: pods".into()),
        ..object(5)
    };
    let workload = state_of(&refused, []).workload;
    let failing = Replicas::new(2);
    assert_eq!(workload.holds, [Hold::FailingToStart { failing }]);
    let said: Vec<_> = workload.raised.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["no further replica is let in: exceeded quota: pods"]);
}

#[test]
fn pods_that_do_not_come_up_are_told_with_their_words_and_hold_nothing() {
    let stuck = |name, trouble| Pod {
        trouble: Some(Box::new(trouble)),
        ..pod(name, ConditionStatus::False, 5)
    };
    let no_node = PodTrouble::Unschedulable {
        message: "0/3 nodes are available".into(),
    };
    let crash = PodTrouble::Waiting {
        container: "app".into(),
        reason: "CrashLoopBackOff".into(),
        message: "back-off 10s".into(),
    };
    let said = |pods: Vec<Pod>| {
        let workload = state_of(&object(3), pods).workload;
        assert_eq!(workload.holds, []);
        workload.raised.first().map(ToString::to_string)
    };
    assert_eq!(said(vec![ready("a")]), None);
    assert_eq!(
        said(vec![ready("a"), stuck("b", no_node.clone())]).as_deref(),
        Some("1 replica does not come up: 0/3 nodes are available")
    );
    assert_eq!(
        said(vec![stuck("b", crash), stuck("c", no_node)]).as_deref(),
        Some("2 replicas do not come up: container app: CrashLoopBackOff: back-off 10s")
    );
}

#[test]
fn pods_are_told_of_one_by_one_where_they_are_asked_for() {
    let mut leaving = pod("b", ConditionStatus::False, 5);
    leaving.deleting = true;
    let of = |tells_pods| {
        let all: Objects<Pod> = [ready("a"), leaving.clone()].into_iter().collect();
        let seen = Seen {
            object: &object(2),
            pods: Some(&all),
            tells_pods,
            second_scalers: Vec::new(),
            vertical: guards::Vertical::default(),
            off: Vec::new(),
        };
        state(seen, NOW).unwrap().pods
    };
    assert_eq!(of(false), None);
    let told = of(true).unwrap();
    let ready: Vec<_> = told
        .iter()
        .map(|pod| pod.ready.map(|ready| ready.status))
        .collect();
    assert_eq!(ready, [Some(ConditionStatus::True), Some(ConditionStatus::False)]);
    assert_eq!(
        told.iter().map(|pod| pod.deleted).collect::<Vec<_>>(),
        [false, true]
    );
    assert!(
        told.iter()
            .all(|pod| pod.phase == PodPhase::Running && pod.started_at == Some(before(999)))
    );
}

#[test]
fn a_count_that_another_headroom_set_last_tells_of_it_and_one_of_before_states_had_names_does_not() {
    let own = FieldManager::of_state("1a2b3c4d").unwrap();
    let seen = |manager: Option<&str>| {
        let owned = Scalable {
            replicas_owner: manager.map(|manager| FieldOwner {
                manager: manager.into(),
                at: None,
                wrote_template: false,
            }),
            ..object(3)
        };
        guards::second_headroom(&owned, &own)
    };
    let by = "headroom-0a0b0c0d".into();
    assert_eq!(seen(Some("headroom-0a0b0c0d")), Some(Hold::SecondHeadroom { by }));
    for other in [Some("headroom-1a2b3c4d"), Some("headroom"), Some("kubectl"), None] {
        assert_eq!(seen(other), None, "{other:?}");
    }
}
