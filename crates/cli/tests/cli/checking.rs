//! `check`.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

use crate::{assert_said, common::World};

#[test]
fn a_good_policy_is_ok() {
    assert_said!("check", World::new(2, 100).headroom(&["check"]).expect(0));
}

#[test]
fn every_problem_is_shown_with_its_place() {
    let world = World::empty();
    world.write(
        "headroom.toml",
        "[workload.\"shop/api\"]\nmin_replicas = 10\nmax_replicas = 4\nmetrics.load = { recorded = \"l.csv\", per_replika = 1 }\n",
    );
    assert_said!("check_problems", world.headroom(&["check"]).expect(2));
    assert_said!(
        "check_problems_json",
        world.headroom(&["check", "--format", "json"]).expect(2)
    );
}

#[test]
fn as_json_it_is_what_its_schema_says() {
    let world = World::new(2, 100);
    let schema = world.headroom(&["schema", "check"]).expect(0).json();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let valid = |ran: crate::common::Ran| {
        let object = ran.json();
        let errors: Vec<_> = validator
            .iter_errors(&object)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{errors:?}\n{ran}");
    };
    valid(world.headroom(&["check", "--format", "json"]).expect(0));
    valid(world.headroom(&["check", "--live", "--format", "json"]).expect(0));
    world.write("headroom.toml", "[workload.web]\nmax_replicas = \"many\"\n");
    valid(world.headroom(&["check", "--format", "json"]).expect(2));
}

#[test]
fn paths_are_layers() {
    let world = World::new(2, 100);
    world.write("team.toml", "[workload.\"shop/api\"]\nmax_replicas = 1\n");
    let ran = world.headroom(&["check", "headroom.toml", "team.toml"]).expect(2);
    assert!(
        ran.stderr.contains("the minimum, 2, is above the maximum, 1"),
        "{ran}"
    );
    let ran = world
        .headroom(&["-c", "headroom.toml", "check", "-c", "team.toml"])
        .expect(2);
    assert!(
        ran.stderr.contains("the minimum, 2, is above the maximum, 1"),
        "options before and after add up: {ran}"
    );
}

#[test]
fn remarks_go_to_stderr_one_line_each() {
    let world = World::empty();
    world.write(
        "headroom.toml",
        "[notify.slack.ops]\nwebhook = \"https://hooks.example.com/x\"\n[workload.\"shop/api\"]\nscale_target = \"deployment/api\"\nmax_replicas = 4\nmetrics.cpu = { utilization = \"70%\" }\n",
    );
    assert_said!("check_remarks", world.headroom(&["check"]).expect(0));
    let json = world.headroom(&["check", "--format", "json"]).expect(0).json();
    assert_eq!(json["remarks"].as_array().unwrap().len(), 1, "{json}");
}

#[test]
fn dangers_are_shown_beside_problems() {
    let world = World::empty();
    world.write(
        "headroom.toml",
        "[workload.wrong]\nmin_replicas = 10\nmax_replicas = 4\nmetrics.load = { recorded = \"l.csv\", per_replica = 1 }\n\
         command = { get = [\"a\"], set = [\"b\", \"{replicas}\"] }\n\
         [workload.dangerous]\nmin_replicas = 2\nmax_replicas = 2\nmetrics.load = { recorded = \"l.csv\", per_replica = 1 }\n\
         command = { get = [\"c\"], set = [\"d\", \"{replicas}\"] }\n",
    );
    let ran = world.headroom(&["check"]).expect(2);
    let said = [
        "error: the minimum, 10, is above the maximum, 4",
        "warning[min_equals_max]: headroom.toml:8",
    ];
    assert!(said.iter().all(|words| ran.stderr.contains(words)), "{ran}");
    let json = world.headroom(&["check", "--format", "json"]).expect(2).json();
    assert_eq!(json["problems"].as_array().unwrap().len(), 1, "{json}");
    assert_eq!(json["remarks"][0]["code"], "min_equals_max", "{json}");
    // It is for check alone.
    let ran = world.headroom(&["plan"]).expect(2);
    assert!(!ran.stderr.contains("min_equals_max"), "{ran}");
}

#[test]
fn live_asks_sources_and_targets() {
    let world = World::new(2, 100);
    assert_said!("check_live", world.headroom(&["check", "--live"]).expect(0));
    world.write("load.csv", "timestamp,value\n1,5\n");
    world.write("count", "many\n");
    assert_said!(
        "check_live_failed",
        world.headroom(&["check", "--live"]).expect(1)
    );
    assert!(!world.path().join(".headroom").exists(), "it touches nothing");
}

#[test]
fn a_person_sees_signs_in_color() {
    let ran = World::new(2, 100)
        .headroom(&["check", "--live", "--color", "always"])
        .expect(0);
    assert!(
        ran.stdout
            .contains("\u{1b}[32m\u{2713}\u{1b}[0m  target  2 wanted"),
        "{ran}"
    );
}

#[test]
fn live_names_a_prometheus_that_cannot_be_reached() {
    let world = World::new(2, 100);
    let closed = headroom_test_support::ClosedPort::new();
    world.write(
        "headroom.toml",
        &format!(
            "[prometheus.main]\nurl = \"{}\"\n[workload.web]\nmax_replicas = 3\n\
             command = {{ get = [\"cat\", \"count\"], set = [\"true\", \"{{replicas}}\"] }}\n\
             metrics.load = {{ query = 'sum(up)', per_replica = 1 }}\n",
            closed.url()
        ),
    );
    let ran = world.headroom(&["check", "--live", "--format", "json"]).expect(1);
    let live = &ran.json()["live"];
    assert_eq!(live[0]["answer"], "ok", "the target: {ran}");
    assert_eq!(live[1]["answer"], "failed", "the query: {ran}");
    assert_eq!(live[2]["answer"], "failed", "the server: {ran}");
    assert_eq!(live[2]["subject"], "prometheus.main", "{ran}");
    assert!(
        live[1]["text"].as_str().unwrap().contains("could not be reached"),
        "{ran}"
    );
}

#[tokio::test]
async fn live_says_of_which_ranges_nothing_is_known_and_asks_for_the_targets_once() {
    let prometheus = MockServer::start().await;
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let series = json!([{ "metric": { "job": "api" }, "value": [at, at.to_string()] }]);
    let data = json!({ "resultType": "vector", "result": series });
    let answer = ResponseTemplate::new(200).set_body_json(json!({ "status": "success", "data": data }));
    let queries = Mock::given(path("/api/v1/query"));
    queries.respond_with(answer).mount(&prometheus).await;
    let targets = Mock::given(path("/api/v1/targets"));
    let targets = targets.respond_with(ResponseTemplate::new(500)).expect(1);
    targets.mount(&prometheus).await;
    let world = World::new(2, 100);
    let metric = |name: &str| {
        format!(
            "metrics.{name} = {{ query = 'sum(rate({name}[1m]))', coverage = 'count(rate({name}[2m]))', per_replica = 1 }}\n"
        )
    };
    let metrics = ["a", "b", "c"].map(metric).concat();
    let uri = prometheus.uri();
    world.write(
        "headroom.toml",
        &format!(
            "[prometheus.main]\nurl = \"{uri}\"\n[prometheus.other]\nurl = \"{uri}/other\"\n[workload.web]\nmax_replicas = 3\n\
             command = {{ get = [\"cat\", \"count\"], set = [\"true\", \"{{replicas}}\"] }}\n\
             source = \"main\"\n{metrics}"
        ),
    );
    let ran = world
        .finished(world.command(&["check", "--live"]))
        .await
        .expect(0);
    let told = |line: &str| line.trim_start().starts_with("look       range");
    let lines: Vec<&str> = ran.stdout.lines().filter(|line| told(line)).collect();
    let ranges = ["a[1m]", "b[1m]", "c[1m]", "a[2m]", "b[2m]", "c[2m]"];
    assert_eq!(lines.len(), ranges.len(), "{ran}");
    for range in ranges {
        let words =
            format!("whether {range} is long enough is not known: the list of targets could not be asked: ");
        assert!(lines.iter().any(|line| line.contains(&words)), "{range}\n{ran}");
    }
    let not_asked = format!("no workload asks {uri}/other");
    ran.says(&not_asked);
}

#[test]
fn the_examples_are_right() {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let mut checked = 0;
    for example in std::fs::read_dir(examples).unwrap() {
        let example = example.unwrap().path();
        if example.is_dir() {
            World::empty()
                .headroom(&["check", &example.to_string_lossy()])
                .expect(0);
            checked += 1;
        }
    }
    assert!(checked >= 4, "{checked}");
}

#[test]
fn values_from_the_environment_are_said() {
    let world = World::empty();
    let example = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../examples/devtrip/headroom.toml"
    );
    let mut command = world.command(&["config", "show", "--origin", "-c", example]);
    let ran = world
        .ran(command.env("CPU_THRESHOLD", "60").env("NAMESPACE", "staging"))
        .expect(0);
    assert!(ran.stdout.contains("[workload.\"staging/api\"]"), "{ran}");
    assert!(ran.stdout.contains("environment CPU_THRESHOLD"), "{ran}");
    let mut command = world.command(&["check", example]);
    let ran = world.ran(command.env("CPU_THRESHOLD", "60")).expect(0);
    let said: Vec<_> = ran
        .stderr
        .lines()
        .filter(|line| line.starts_with("from the environment: "))
        .collect();
    assert_eq!(said.len(), 1, "{ran}");
    assert!(said[0].contains("CPU_THRESHOLD"), "{ran}");
}
