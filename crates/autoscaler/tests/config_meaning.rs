//! What a configuration means: text as the types that everything else works on.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use headroom_actuator::{KubernetesTarget, ReadyCheck, ScaleTarget};
use headroom_autoscaler::{
    Configuration, Credentials, MetricOrigin, Mode, PodPort, Routes, Schedule, ScrapeAddress, Scraped,
    Secret, Window, WorkloadSettings,
    config::{self, Environment, LoadOptions},
};
use headroom_cluster::{KindName, ObjectName};
use headroom_metrics_source::Across;
use headroom_policy_engine::{
    ActiveBound, ChangeAmount, Compared, ContainerId, FallbackAction, FallbackWhen, HpaPath, LimitSelection,
    MetricKind, MetricRule, OnMissing, ReplicaBounds, Replicas, Resource, Semantics, Timestamp, Votes,
};

fn load(path: &str) -> Configuration {
    load_as(path, LoadOptions::default())
}

#[track_caller]
fn load_as(path: &str, options: LoadOptions) -> Configuration {
    let loaded = config::load(&[PathBuf::from(path)], &Environment::default(), &options);
    loaded
        .unwrap_or_else(|problems| panic!("{problems}"))
        .configuration
}

fn bounds(min: u32, max: u32) -> ReplicaBounds {
    ReplicaBounds::new(Replicas::new(min), Replicas::new(max)).unwrap()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn rule<'a>(workload: &'a WorkloadSettings, name: &str) -> (&'a MetricRule, &'a MetricOrigin) {
    let at = workload
        .policy
        .metrics
        .iter()
        .position(|metric| metric.name.as_str() == name)
        .unwrap();
    (&workload.policy.metrics[at].rule, &workload.metrics[at].origin)
}

#[test]
fn a_single_service_means_what_it_says() {
    let configuration = load("tests/valid/single-service.toml");
    let [workload] = &configuration.workloads[..] else {
        panic!("{configuration:#?}")
    };
    assert_eq!(workload.id.as_str(), "devtrip/api");
    assert_eq!(workload.mode, Mode::Apply);
    assert_eq!(workload.policy.bounds, bounds(2, 10));
    let target = KubernetesTarget {
        workload: workload.id.clone(),
        object: ObjectName {
            kind: KindName {
                kind: "deployment".to_owned(),
                version: None,
                group: None,
            },
            namespace: "devtrip".to_owned(),
            name: "api".to_owned(),
        },
        requests: [Resource::Cpu, Resource::Memory]
            .map(|resource| headroom_actuator::FollowedRequest {
                resource,
                container: None,
            })
            .to_vec(),
        tells_pods: false,
    };
    assert_eq!(workload.target, ScaleTarget::Kubernetes(target.into()));
    let names: Vec<&str> = workload
        .policy
        .metrics
        .iter()
        .map(|metric| metric.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["cpu", "memory", "active_users", "request_rate", "p95_latency"],
        "in the order of the file"
    );

    let (cpu, origin) = rule(workload, "cpu");
    assert!(
        matches!(cpu, MetricRule::Utilization(target) if target.get() == 0.7),
        "{cpu:?}"
    );
    assert!(matches!(origin, MetricOrigin::Resource { resource, container: None } if resource == "cpu"));
    assert_eq!(workload.policy.metrics[1].votes, Votes::UpOnly);
    let (users, _) = rule(workload, "active_users");
    assert!(
        matches!(users, MetricRule::PerReplica(target) if target.get() == 100.0),
        "{users:?}"
    );
    let (latency, _) = rule(workload, "p95_latency");
    let MetricRule::Step(step) = latency else {
        panic!("{latency:?}")
    };
    let above = step.above().unwrap();
    assert_eq!(
        (above.threshold, above.lasting, above.step),
        (2.0, Some(seconds(60)), Replicas::new(1))
    );
    assert_eq!(step.below(), None);

    let fallback = workload.policy.fallback.unwrap();
    assert_eq!(
        (fallback.action, fallback.after, fallback.when),
        (
            FallbackAction::AtLeast(Replicas::new(4)),
            seconds(180),
            FallbackWhen::All
        )
    );
}

#[test]
fn defaults_are_those_of_the_hpa() {
    let configuration = load("tests/valid/single-service.toml");
    let policy = &configuration.workloads[0].policy;
    assert_eq!(policy.interval.get(), seconds(15));
    assert_eq!(
        (
            policy.metrics[0].tolerance.up(),
            policy.metrics[0].tolerance.down()
        ),
        (0.1, 0.1)
    );
    assert_eq!(policy.metrics[0].on_missing, OnMissing::Block);
    assert_eq!(policy.scale_up.stabilization.get(), seconds(0));
    assert_eq!(policy.scale_down.stabilization.get(), seconds(300));
    let amounts = |limits: &headroom_policy_engine::ChangeLimits| {
        limits
            .limits
            .iter()
            .map(|limit| (limit.amount(), limit.period()))
            .collect::<Vec<_>>()
    };
    let up = [
        (ChangeAmount::Replicas(4), seconds(15)),
        (ChangeAmount::Percent(100), seconds(15)),
    ];
    assert_eq!(amounts(&policy.scale_up.limits), up);
    assert_eq!(
        amounts(&policy.scale_down.limits),
        [(ChangeAmount::Percent(100), seconds(15))]
    );
    assert_eq!(policy.scale_up.limits.select, LimitSelection::Max);
    assert_eq!(
        (policy.guards.startup, policy.guards.max_reversals),
        (seconds(120), 4)
    );
    let settings = &configuration.settings;
    assert_eq!(
        (settings.deadline, settings.pass_deadline),
        (seconds(5), seconds(90))
    );
    assert_eq!(
        settings.prometheus["main"].timeout,
        seconds(5),
        "that of an answer"
    );
    assert_eq!(settings.history.keep_for, seconds(7 * 24 * 3600));
    assert_eq!(settings.history.max_bytes, 200_000_000);
}

#[test]
fn processes_get_their_directories_and_checks() {
    let configuration = load("tests/valid/process.toml");
    let ScaleTarget::Process(target) = &configuration.workloads[0].target else {
        panic!("{configuration:#?}")
    };
    assert_eq!(target.command, ["./web"]);
    assert_eq!(target.directory, Path::new("tests/valid"), "that of the file");
    assert_eq!(
        target.ready,
        ReadyCheck::Http {
            path: "/healthz".to_owned()
        }
    );
    assert_eq!(target.drain, seconds(10));
    assert_eq!(target.log_directory, Path::new("tests/valid/.headroom/logs/web"));
    let MetricOrigin::Scrape {
        series,
        path,
        rate_over,
        across,
        asked,
    } = &configuration.workloads[0].metrics[0].origin
    else {
        panic!("{configuration:#?}")
    };
    assert_eq!(
        (&**series, &**path, *rate_over),
        ("http_requests_total", "/metrics", Some(seconds(10)))
    );
    assert_eq!((*across, asked), (Across::Sum, &Scraped::Replicas));
}

#[test]
fn pods_are_scraped_on_their_port_and_a_later_layer_may_say_otherwise() {
    let configuration = load("tests/valid/scrape-of-pods.toml");
    let asked: Vec<&Scraped> = configuration
        .workloads
        .iter()
        .map(|workload| match &workload.metrics[0].origin {
            MetricOrigin::Scrape { asked, .. } => asked,
            other @ (MetricOrigin::Prometheus { .. }
            | MetricOrigin::Recorded { .. }
            | MetricOrigin::Resource { .. }) => panic!("{other:?}"),
        })
        .collect();
    let pods = |port| Scraped::Pods {
        port,
        annotation: ScrapeAddress::Honored,
    };
    let number = std::num::NonZeroU16::new(9090).unwrap();
    let expected = [
        &pods(PodPort::Named("metrics".into())),
        &pods(PodPort::Number(number)),
        &Scraped::Fixed(vec!["http://gateway:8080".into()]),
    ];
    assert_eq!(asked, expected);
}

#[test]
fn where_pods_want_to_be_scraped_is_ignored_unless_the_operator_says_otherwise() {
    let text = std::fs::read_to_string("tests/valid/scrape-of-pods.toml").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("headroom.toml");
    std::fs::write(&path, text.replace("allow_scrape_address = true", "")).unwrap();
    let configuration = load(path.to_str().unwrap());
    let MetricOrigin::Scrape {
        asked: Scraped::Pods { annotation, .. },
        ..
    } = &configuration.workloads[0].metrics[0].origin
    else {
        panic!("{configuration:#?}")
    };
    assert_eq!(*annotation, ScrapeAddress::Ignored);
}

#[test]
fn commands_and_recordings_are_relative_to_their_file() {
    let configuration = load("tests/valid/command.toml");
    let ScaleTarget::Command(target) = &configuration.workloads[0].target else {
        panic!("{configuration:#?}")
    };
    assert_eq!(
        (target.get.as_slice(), target.set.as_slice()),
        (
            &["./replicas".to_owned()][..],
            &["./scale".to_owned(), "{replicas}".to_owned()][..]
        )
    );
    assert_eq!(target.directory, Path::new("tests/valid/scripts"));
    assert_eq!(target.timeout, seconds(2));
    let (rule, origin) = rule(&configuration.workloads[0], "load");
    assert!(matches!(rule, MetricRule::Value(target) if target.get() == 0.2));
    assert_eq!(
        *origin,
        MetricOrigin::Recorded {
            file: "tests/valid/load.csv".into(),
            series: "load".into()
        }
    );
    let load = &configuration.workloads[0].policy.metrics[1];
    assert_eq!((load.on_missing, load.tolerance.up()), (OnMissing::Ignore, 0.05));
    assert_eq!(
        configuration.workloads[0].metrics[1].max_age.unwrap().max_age,
        seconds(60)
    );
}

#[test]
fn steps_tolerances_and_limits_are_read() {
    let configuration = load("tests/valid/steps.toml");
    let policy = &configuration.workloads[0].policy;
    assert_eq!(
        (
            policy.metrics[0].tolerance.up(),
            policy.metrics[0].tolerance.down()
        ),
        (0.05, 0.2)
    );
    assert_eq!(policy.scale_down.limits.select, LimitSelection::Min);
    assert!(policy.scale_down.limits.limits.is_empty());
    let MetricRule::Step(step) = &policy.metrics[0].rule else {
        panic!()
    };
    assert_eq!(step.below().unwrap().threshold, 0.5);
    assert_eq!(step.above().unwrap().step, Replicas::new(2));
    assert_eq!(policy.guards.max_reversals, 0);
}

#[test]
fn a_fallback_is_a_number_or_an_action() {
    let configuration = load("tests/valid/fallbacks.toml");
    let fallbacks: Vec<_> = configuration
        .workloads
        .iter()
        .map(|workload| {
            let fallback = workload.policy.fallback.unwrap();
            (fallback.action, fallback.after, fallback.when)
        })
        .collect();
    let four = FallbackAction::AtLeast(Replicas::new(4));
    assert_eq!(
        fallbacks,
        [
            (FallbackAction::Hold, seconds(180), FallbackWhen::Any),
            (FallbackAction::LastKnown, seconds(90), FallbackWhen::All),
            (four, seconds(180), FallbackWhen::All),
        ]
    );
}

#[test]
fn marks_and_groups_are_read() {
    let configuration = load("tests/valid/several-metrics.toml");
    let [marks, target] = &configuration.workloads[..] else {
        panic!("{configuration:#?}")
    };
    let (queue, _) = rule(marks, "queue");
    let MetricRule::Watermarks(of_queue) = queue else {
        panic!("{queue:?}")
    };
    assert_eq!(
        (of_queue.compared(), of_queue.low().get(), of_queue.high().get()),
        (Compared::PerReplica, 60.0, 120.0)
    );
    let (busy, _) = rule(marks, "busy");
    assert!(
        matches!(busy, MetricRule::Watermarks(marks) if marks.compared() == Compared::Value && marks.high().get() == 0.8),
        "{busy:?}"
    );
    let groups = |workload: &WorkloadSettings| {
        let groups = workload.policy.metrics.iter().map(|metric| metric.group.clone());
        groups
            .map(|group| group.map(|name| name.to_string()))
            .collect::<Vec<_>>()
    };
    let named = |name: &str| Some(name.to_owned());
    assert_eq!(groups(marks), [named("work"), named("work")]);
    assert_eq!(groups(target), [named("work"), named("busy")]);
    let (queue, _) = rule(target, "queue");
    assert!(
        matches!(queue, MetricRule::PerReplica(target) if target.get() == 100.0),
        "{queue:?}"
    );
}

#[test]
fn schedules_are_in_force_when_they_say() {
    let configuration = load("tests/valid/schedules.toml");
    let [far, _, shop] = &configuration.workloads[..] else {
        panic!("{configuration:#?}")
    };
    let at = |text: &str| {
        let at: jiff::Timestamp = text.parse().unwrap();
        Timestamp::from_unix_millis(at.as_millisecond())
    };
    let named = |workload: &WorkloadSettings, name: &str| {
        let mut schedules = workload.schedules.iter();
        schedules
            .find(|schedule| schedule.name.as_str() == name)
            .unwrap()
            .clone()
    };
    let check = |schedule: &Schedule, from: &str, until: &str| {
        let window = Window {
            from: at(from),
            until: at(until),
        };
        assert_eq!(schedule.window_at(window.from), Some(window), "{}", schedule.name);
    };
    let names: Vec<_> = shop
        .schedules
        .iter()
        .map(|schedule| schedule.name.as_str())
        .collect();
    assert_eq!(names, ["office", "black-friday"], "the template switches one off");
    let asked = |schedule: &Schedule| {
        let number = |bound: &Option<ActiveBound>| bound.as_ref().map(|bound| bound.replicas().get());
        (number(&schedule.bounds.floor), number(&schedule.bounds.ceiling))
    };
    let office = named(shop, "office");
    assert_eq!(asked(&office), (Some(6), None));
    check(&office, "2026-11-27T08:00:00+01:00", "2026-11-27T18:00:00+01:00");
    let friday = named(shop, "black-friday");
    assert_eq!(asked(&friday), (Some(20), Some(60)));
    check(&friday, "2026-11-27T08:00:00+01:00", "2026-11-28T00:00:00+01:00");
    let office = named(far, "office");
    assert_eq!(asked(&office), (Some(4), None), "of the defaults");
    check(&office, "2026-11-27T08:30:00+09:00", "2026-11-27T18:30:00+09:00");
    let night = named(far, "night");
    assert_eq!(asked(&night), (None, Some(3)));
    check(&night, "2026-03-01T00:00:00Z", "2026-03-02T00:00:00+09:00");
}

#[test]
fn each_query_goes_to_its_prometheus() {
    let configuration = load("tests/valid/two-prometheus.toml");
    let server = |at: usize| match &configuration.workloads[0].metrics[at].origin {
        MetricOrigin::Prometheus { server, .. } => server.clone(),
        other @ (MetricOrigin::Scrape { .. }
        | MetricOrigin::Recorded { .. }
        | MetricOrigin::Resource { .. }) => {
            panic!("{other:?}")
        }
    };
    assert_eq!(
        (server(0), server(1)),
        ("main".to_owned(), "long-term".to_owned())
    );
    let main = &configuration.settings.prometheus["main"];
    assert_eq!(main.url, "http://prometheus:9090");
    assert_eq!(
        (main.timeout, main.max_concurrent, main.scrape_interval),
        (seconds(2), 4, Some(seconds(30)))
    );
    assert!(matches!(&main.credentials, Credentials::Bearer(Secret::Env(name)) if name == "TOKEN"));
    assert_eq!(main.tls.ca, Some(Secret::File("tests/valid/ca.pem".into())));
    let other = &configuration.settings.prometheus["long-term"];
    assert!(matches!(&other.credentials, Credentials::Basic { username, .. } if username == "headroom"));
    assert!(other.headers.contains_key("X-Scope-OrgID"));
}

#[test]
fn the_fleet_is_six_lines_for_its_team() {
    let configuration = load("../../examples/fleet");
    let workload = &configuration.workloads[0];
    assert_eq!((workload.id.as_str(), workload.mode), ("shop/api", Mode::Apply));
    assert_eq!(workload.policy.bounds, bounds(4, 40));
    let (rps, origin) = rule(workload, "rps");
    assert!(
        matches!(rps, MetricRule::PerReplica(target) if target.get() == 250.0),
        "{rps:?}"
    );
    let MetricOrigin::Prometheus { query, .. } = origin else {
        panic!("{origin:?}")
    };
    assert_eq!(
        &*query.query,
        "sum(rate(http_requests_total{namespace=\"shop\",app=\"api\"}[2m]))"
    );
    assert_eq!(
        query.coverage.as_deref(),
        Some("count(up{namespace=\"shop\",app=\"api\"} == 1)")
    );
    assert_eq!(configuration.settings.cluster.as_deref(), Some("prod-eu"));
}

#[test]
fn two_files_as_layers_mean_the_same_as_their_directory() {
    let told = |paths: &[&str]| {
        let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
        let loaded = config::load(&paths, &Environment::default(), &LoadOptions::default()).unwrap();
        format!("{:?}", loaded.configuration.workloads)
    };
    let directory = told(&["../../examples/fleet"]);
    assert_eq!(
        told(&[
            "../../examples/fleet/00-platform.toml",
            "../../examples/fleet/shop.toml"
        ]),
        directory
    );
    assert_eq!(
        told(&[
            "../../examples/fleet/shop.toml",
            "../../examples/fleet/00-platform.toml"
        ]),
        directory
    );
}

#[test]
fn state_lives_beside_the_files_unless_said_otherwise() {
    let state_dir = |path, options| load_as(path, options).settings.state_dir;
    let beside = Path::new("tests/valid/.headroom");
    assert_eq!(
        state_dir("tests/valid/process.toml", LoadOptions::default()),
        beside
    );
    let inside = Path::new("../../examples/fleet/.headroom");
    assert_eq!(state_dir("../../examples/fleet", LoadOptions::default()), inside);
    assert_eq!(
        state_dir("tests/valid/settings.toml", LoadOptions::default()),
        Path::new("tests/valid/state")
    );
    let option = LoadOptions {
        state_dir: Some("/var/lib/headroom".into()),
        ..LoadOptions::default()
    };
    assert_eq!(
        state_dir("tests/valid/settings.toml", option),
        Path::new("/var/lib/headroom")
    );
}

#[test]
fn secrets_are_read_where_they_stand() {
    let environment: Environment = [("TOKEN", "from the environment")].into_iter().collect();
    let resolve = |secret: Secret| {
        secret
            .resolve(&environment)
            .map(|secret| secret.0)
            .map_err(|error| error.to_string())
    };
    assert_eq!(
        resolve(Secret::Env("TOKEN".to_owned())),
        Ok("from the environment".to_owned())
    );
    assert!(
        resolve(Secret::Env("OTHER".to_owned()))
            .unwrap_err()
            .contains("OTHER")
    );
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "from a file\n").unwrap();
    assert_eq!(resolve(Secret::File(file.clone())), Ok("from a file".to_owned()));
    std::fs::write(&file, "\n").unwrap();
    assert!(resolve(Secret::File(file)).unwrap_err().contains("empty"));
}

#[test]
fn the_hpas_rules_are_taken_with_what_somebody_wrote_and_its_own_defaults() {
    let configuration = load("tests/valid/hpa.toml");
    let [behavior, own, plain] = &configuration.workloads[..] else {
        panic!("{configuration:#?}")
    };
    assert_eq!(plain.policy.semantics, Semantics::Hpa(HpaPath::WithoutBehavior));
    assert_eq!(own.policy.semantics, Semantics::Headroom);
    assert_eq!(behavior.policy.semantics, Semantics::Hpa(HpaPath::WithBehavior));
    assert_eq!(plain.policy.hpa.downscale_stabilization, seconds(120));
    let (up, down) = (&behavior.policy.scale_up, &behavior.policy.scale_down);
    assert_eq!(up.limits.limits.len(), 1, "what somebody wrote");
    assert_eq!(
        down.stabilization.get(),
        seconds(120),
        "the controller's, because nobody wrote one"
    );
    let tolerance = behavior.policy.metrics[0].tolerance;
    assert_eq!(
        (tolerance.up(), tolerance.down()),
        (0.2, 0.05),
        "its own, and the controller's"
    );
    let MetricRule::Utilization(target) = plain.policy.metrics[0].rule else {
        panic!("{plain:#?}")
    };
    assert_eq!(target.percent(), 120, "pods may use more than they ask for");
    let kinds: Vec<_> = behavior.policy.metrics.iter().map(|metric| metric.kind).collect();
    let expected = [
        MetricKind::ContainerResource(Resource::Cpu, ContainerId(0)),
        MetricKind::ContainerResource(Resource::Memory, ContainerId(1)),
        MetricKind::External,
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn what_is_about_no_workload_goes_to_the_channels_of_the_defaults_that_are_no_workloads_own() {
    let configuration = load("tests/valid/channels-by-variable.toml");
    let names = |routes: &Routes| {
        routes
            .channels
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let all = ["slack.shop", "webhook.prod-eu"];
    assert_eq!(names(&configuration.workloads[0].routes), all);
    assert_eq!(names(&configuration.settings.notify.general), ["webhook.prod-eu"]);
}
