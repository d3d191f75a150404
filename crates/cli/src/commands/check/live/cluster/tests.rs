use std::time::Duration;

use headroom_cluster::{Container, Labels};
use headroom_policy_engine::{InitKind, Milli, PodPhase};

use super::*;

const OK: &str = "every container that is measured has them";

fn cpu(cpu: Option<i64>) -> Requests {
    Requests {
        cpu: cpu.map(Milli::new),
        memory: None,
    }
}

fn container(name: &str, requests: Requests) -> Container {
    Container {
        name: name.into(),
        requests,
    }
}

fn pod(containers: &[(&str, Option<i64>)]) -> Pod {
    Pod {
        name: "api-1".into(),
        uid: "u".into(),
        labels: Labels::default(),
        created: Timestamp::from_unix_millis(0),
        started_at: None,
        deleting: false,
        phase: PodPhase::Running,
        ready: None,
        ip: None,
        ports: [].into(),
        containers: containers
            .iter()
            .map(|&(name, asks)| container(name, cpu(asks)))
            .collect(),
        init_containers: Box::default(),
        requests: None,
        trouble: None,
        scrape_address: None,
    }
}

#[track_caller]
fn check(pods: &[&Pod], meant: Option<&str>, expected: &str) {
    let (answer, text) = requests(&[("cpu", meant)], pods).unwrap();
    assert_eq!(text, expected);
    assert_eq!(answer == Answer::Ok, expected == OK);
}

#[test]
fn each_container_that_is_measured_requests_what_is_measured() {
    let whole = pod(&[("app", Some(100)), ("proxy", Some(50))]);
    let part = pod(&[("app", Some(100)), ("proxy", None)]);
    let lacks = "`proxy` requests no cpu: set resources.requests in the pod template";
    check(&[&whole], None, OK);
    check(&[&whole, &part], None, lacks);
    check(&[&part], Some("proxy"), lacks);
    check(&[&part], Some("app"), OK);
    assert!(requests(&[], &[&pod(&[])]).is_none(), "nothing is measured");
    assert!(requests(&[("cpu", None)], &[]).is_none(), "there is no pod");
}

#[test]
fn a_sidecar_is_measured_and_what_only_starts_is_not() {
    for (kind, expected) in [
        (InitKind::Ordinary, OK),
        (
            InitKind::Sidecar,
            "`mesh` requests no cpu: set resources.requests in the pod template",
        ),
    ] {
        let with_init = Pod {
            init_containers: [(container("mesh", cpu(None)), kind)].into(),
            ..pod(&[("app", Some(100))])
        };
        check(&[&with_init], None, expected);
    }
}

#[test]
fn what_the_pod_requests_as_a_whole_is_enough_for_all_and_for_no_container_alone() {
    let whole = Pod {
        requests: Some(cpu(Some(300))),
        ..pod(&[("app", None)])
    };
    check(&[&whole], None, OK);
    let lacks = "`app` requests no cpu: set resources.requests in the pod template";
    check(&[&whole], Some("app"), lacks);
    let of_memory = Pod {
        requests: Some(Requests {
            cpu: None,
            memory: Some(Milli::new(1)),
        }),
        ..whole
    };
    check(&[&of_memory], None, lacks);
}

#[test]
fn a_container_that_no_pod_has_is_named() {
    let expected = "no pod has a container `prxy`: name one that there is as `container` of the metric";
    check(&[&pod(&[("app", Some(100))])], Some("prxy"), expected);
    let sidecar = Pod {
        init_containers: [(container("proxy", cpu(Some(50))), InitKind::Sidecar)].into(),
        ..pod(&[("app", None)])
    };
    check(&[&sidecar], Some("proxy"), OK);
}

#[test]
fn a_window_longer_than_can_be_counted_makes_no_value_too_old() {
    let measured = |window| {
        let metrics = PodMetrics {
            name: "api-1".into(),
            labels: Labels::default(),
            measured_at: Timestamp::from_unix_millis(0),
            window,
            containers: Box::default(),
        };
        let now = Timestamp::from_unix_millis(600_000);
        freshness(&Objects::from_iter([metrics]), "shop", now).0
    };
    assert_eq!(measured(Duration::from_secs(15)), Answer::Failed);
    assert_eq!(measured(Duration::MAX), Answer::Ok);
}
