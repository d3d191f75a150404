//! `config show` and `import`.

use crate::{assert_said, common::World};

fn layered() -> World {
    let world = World::empty();
    world.write(
        "00-platform.toml",
        "cluster = \"prod-eu\"\n[prometheus.main]\nurl = \"http://prometheus:9090\"\nbearer_token = \"env:TOKEN\"\n\
         [template.web]\ncommand = { get = [\"get\", \"${name}\"], set = [\"set\", \"${name}\", \"{replicas}\"] }\n\
         metrics.rps = { query = 'sum(rate(requests{app=\"${name}\"}[2m]))', per_replica = 100 }\n",
    );
    world.write(
        "shop.toml",
        "[workload.\"shop/api\"]\ntemplate = \"web\"\nmax_replicas = 40\nmetrics.rps.per_replica = 250\n",
    );
    world
}

#[test]
fn shows_what_is_in_effect_and_where_it_comes_from() {
    let world = layered();
    let files = ["-c", "00-platform.toml", "-c", "shop.toml"];
    assert_said!(
        "config_show",
        world
            .headroom(&[&["config", "show"][..], &files].concat())
            .expect(0)
    );
    assert_said!(
        "config_show_origin",
        world
            .headroom(&[&["config", "show", "api", "--origin"][..], &files].concat())
            .expect(0)
    );
    let json = world
        .headroom(&[&["config", "show", "api", "--format", "json"][..], &files].concat())
        .expect(0)
        .json();
    let keys = json["workloads"][0]["keys"].as_array().unwrap();
    let key = keys
        .iter()
        .find(|key| key["key"] == "metrics.rps.per_replica")
        .unwrap();
    assert_eq!(key["value"], "250");
    assert_eq!(
        key["origin"],
        serde_json::json!({ "kind": "file", "path": "shop.toml", "line": 4 })
    );
}

#[test]
fn what_is_shown_can_be_read_again() {
    let world = layered();
    let shown = world
        .headroom(&["config", "show", "-c", "00-platform.toml", "-c", "shop.toml"])
        .expect(0)
        .stdout;
    world.write("again.toml", &shown);
    world.headroom(&["check", "again.toml"]).expect(0);
}

#[test]
fn imports_what_the_script_had() {
    let world = World::empty();
    assert_said!("import_env", world.headroom(&["import", "env"]).expect(0));
    let mut command = world.command(&["import", "env"]);
    command
        .env("NAMESPACE", "shop")
        .env("CPU_THRESHOLD", "60")
        .env("METRICS_SERVER", "prom:9090");
    let ran = world.ran(&mut command).expect(0);
    assert!(
        ran.stdout.contains("shop/api") && ran.stdout.contains("60%") && ran.stdout.contains("prom:9090"),
        "{ran}"
    );
    world.write("headroom.toml", &ran.stdout);
    world.headroom(&["check"]).expect(0);
}

#[test]
fn a_variable_that_means_nothing_is_refused() {
    let world = World::empty();
    let ran = world
        .ran(world.command(&["import", "env"]).env("CPU_THRESHOLD", "lots"))
        .expect(2);
    assert!(ran.stderr.contains("CPU_THRESHOLD"), "{ran}");
}

const HPA: &str = "\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: { name: api, namespace: shop }
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: api }
  minReplicas: 2
  maxReplicas: 10
  metrics:
    - type: Resource
      resource: { name: cpu, target: { type: Utilization, averageUtilization: 70 } }
    - type: Pods
      pods: { metric: { name: rps }, target: { type: AverageValue, averageValue: 100 } }
";

#[test]
fn an_hpa_becomes_a_policy_that_passes_its_check() {
    let world = World::empty();
    world.write("hpa.yaml", HPA);
    let ran = world.headroom(&["import", "hpa", "-f", "hpa.yaml"]).expect(0);
    assert_said!("import_hpa", ran);
    world.write("headroom.toml", &ran.stdout);
    world.headroom(&["check"]).expect(0);
}

#[test]
fn files_that_are_there_are_written_over_only_when_told() {
    let world = World::empty();
    world.write("hpa.yaml", HPA);
    let into = ["import", "hpa", "-f", "hpa.yaml", "-o", "policies"];
    world.headroom(&into).expect(0);
    world.headroom(&["check", "policies"]).expect(0);
    let ran = world.headroom(&into).expect(1);
    assert!(
        ran.stderr.contains("00-imported.toml") && ran.stderr.contains("--force"),
        "{ran}"
    );
    world.headroom(&[&into[..], &["--force"]].concat()).expect(0);
}

/// `words` with `options` at each place in them where a person may type options.
fn at_each_place<'a>(words: &[&'a str], options: &[&'a str]) -> Vec<Vec<&'a str>> {
    let places = 0..=words.len();
    let each = places.map(|place| [&words[..place], options, &words[place..]].concat());
    each.collect()
}

#[test]
fn options_of_an_import_stand_at_any_place() {
    let world = World::empty();
    world.write("hpa.yaml", HPA);
    let of_pay = HPA.replace("namespace: shop", "namespace: pay");
    world.write("hpas.yaml", &format!("{HPA}---\n{of_pay}"));
    let hpas = ["import", "hpa", "-f", "hpas.yaml"];
    for typed in at_each_place(&hpas[..2], &["-f", "hpas.yaml"])
        .into_iter()
        .skip(1)
    {
        let ran = world.headroom(&typed).expect(0);
        assert!(
            ran.stdout.contains("shop/api") && ran.stdout.contains("pay/api"),
            "{ran}"
        );
    }
    for (option, value) in [("-n", "pay"), ("--namespace", "pay")] {
        for typed in at_each_place(&hpas[..2], &[option, value]) {
            let ran = world.headroom(&[&typed[..], &hpas[2..]].concat()).expect(0);
            assert!(ran.stdout.contains("pay/api"), "{typed:?}\n{ran}");
            assert!(!ran.stdout.contains("shop/api"), "{typed:?}\n{ran}");
        }
    }
    for typed in at_each_place(&hpas[..2], &["--format", "json"]) {
        let json = world
            .headroom(&[&typed[..], &hpas[2..]].concat())
            .expect(0)
            .json();
        assert_eq!(json["workloads"].as_array().map(Vec::len), Some(2), "{typed:?}");
    }
    // What is said later goes before what is said earlier.
    for typed in [
        ["-n", "pay", "import", "-A", "hpa"],
        ["import", "-n", "pay", "hpa", "-A"],
    ] {
        let ran = world.headroom(&[&typed[..], &hpas[2..]].concat()).expect(0);
        assert!(ran.stdout.contains("shop/api"), "{typed:?}\n{ran}");
    }
    for (directory, typed) in [
        ("one", ["import", "-o", "one", "hpa", "-f", "hpa.yaml"]),
        ("two", ["import", "-f", "hpa.yaml", "hpa", "-o", "two"]),
    ] {
        world.headroom(&typed).expect(0);
        world.headroom(&typed).expect(1);
        world
            .headroom(&[&["import", "--force"], &typed[1..]].concat())
            .expect(0);
        world.headroom(&["check", directory]).expect(0);
    }
    for typed in at_each_place(&["import", "hpa"], &["--kubeconfig", "nowhere"]) {
        world.headroom(&typed).expect(1).says("nowhere");
    }
}

#[test]
fn an_import_that_writes_no_files_is_not_forced() {
    let world = World::empty();
    for typed in [["import", "hpa", "--force"], ["import", "--force", "hpa"]] {
        world.headroom(&typed).expect(2).says("-o");
    }
}

#[test]
fn what_means_nothing_for_the_environment_is_refused_before_it_too() {
    let world = World::empty();
    for options in [&["-f", "hpa.yaml"][..], &["-o", "policies"], &["--force"]] {
        world
            .headroom(&[&["import"], options, &["env"]].concat())
            .expect(2)
            .says(options[0]);
    }
    let ran = world.headroom(&["import", "--format", "json", "env"]).expect(0);
    assert!(ran.json()["toml"].is_string(), "{ran}");
}

#[test]
fn shared_options_stand_at_any_place_and_layers_add_up() {
    let world = layered();
    let (platform, shop) = (["-c", "00-platform.toml"], ["-c", "shop.toml"]);
    let shown = ["config", "show", "api"];
    let both = world
        .headroom(&[&shown[..], &platform, &shop].concat())
        .expect(0)
        .stdout;
    for typed in at_each_place(&shown, &platform) {
        let ran = world.headroom(&[&typed[..], &shop].concat()).expect(0);
        assert_eq!(ran.stdout, both, "{typed:?}");
    }
    for typed in at_each_place(&["notify", "status"], &["-c", "absent.toml", "--format", "json"]) {
        let ran = world.headroom(&typed).expect(2);
        assert!(
            ran.stderr.starts_with('{') && ran.stderr.contains("absent.toml"),
            "{typed:?}\n{ran}"
        );
    }
}

#[test]
fn what_is_no_hpa_is_refused_with_a_way_out() {
    let world = World::empty();
    world.write("not.yaml", "kind: Service\nmetadata: { name: api }\n");
    let ran = world.headroom(&["import", "hpa", "-f", "not.yaml"]).expect(2);
    assert!(
        ran.stderr.contains("there is no HorizontalPodAutoscaler here"),
        "{ran}"
    );
    world.write("not.yaml", "a: [");
    world.headroom(&["import", "hpa", "-f", "not.yaml"]).expect(2);
    world.headroom(&["import", "hpa", "-f", "absent.yaml"]).expect(1);
}
