//! A pass that has lost its memory asks a real Prometheus for the past, and scales down where that shows it may.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    fmt::Write as _,
    time::{SystemTime, UNIX_EPOCH},
};

use common::{Ran, World};
use headroom_test_support::{Prometheus, install_tls};

/// How often everything was sampled, in seconds.
const STEP: usize = 5;

/// A load and how many targets told it, so many seconds ago (below zero: still to come); nothing where nobody scraped.
type Past = fn(i64) -> Option<(u32, u32)>;

/// All at nine replicas; a load of 200 needs two of them, and the window is five minutes.
const SERVICES: [(&str, Past); 5] = [
    ("calm", |ago| Some((if ago > 400 { 900 } else { 200 }, 9))),
    ("peak", |ago| {
        Some((if (100..130).contains(&ago) { 610 } else { 200 }, 9))
    }),
    // Prometheus goes on to give the last value it has; that it is old, its age tells.
    ("gap", |ago| (!(60..240).contains(&ago)).then_some((200, 9))),
    ("half", |ago| {
        Some((200, if (60..240).contains(&ago) { 5 } else { 9 }))
    }),
    ("ratio", |ago| Some((if ago > 400 { 900 } else { 200 }, 9))),
];

fn past() -> String {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let mut text = String::new();
    for metric in ["load", "targets"] {
        writeln!(text, "# TYPE {metric} gauge").unwrap();
        for (service, past) in SERVICES {
            for ago in (-600..1200).rev().step_by(STEP) {
                let Some((load, targets)) = past(ago) else {
                    continue;
                };
                let value = if metric == "load" { load } else { targets };
                let at = now - ago;
                writeln!(text, "{metric}{{job=\"api\",service=\"{service}\"}} {value} {at}").unwrap();
            }
        }
    }
    text + "# EOF\n"
}

async fn world() -> (World, Prometheus) {
    install_tls();
    let prometheus = Prometheus::builder().history(&past()).start().await;
    let world = World::empty();
    let mut policy = format!(
        "[prometheus.main]\nurl = \"{}\"\nscrape_interval = \"{STEP}s\"\n",
        prometheus.url()
    );
    for (service, _) in SERVICES {
        let rule = if service == "ratio" {
            "value = 800"
        } else {
            "per_replica = 100"
        };
        write!(
            policy,
            r#"
            [workload.{service}]
            min_replicas = 1
            max_replicas = 10
            command = {{ get = ["cat", "{service}"], set = ["sh", "-c", "echo $0 > {service}", "{{replicas}}"] }}
            metrics.load = {{ query = 'sum(load{{service="{service}"}})', coverage = 'sum(targets{{service="{service}"}})', {rule} }}
            "#
        )
        .unwrap();
        world.write(service, "9\n");
    }
    world.write("headroom.toml", &policy);
    (world, prometheus)
}

/// One run in an empty workspace, as a Jenkins job has it.
fn run_once(world: &World) -> Ran {
    let _ = std::fs::remove_dir_all(world.path().join(".headroom"));
    world.headroom(&["run", "--once"]).expect(0)
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_pass_without_memory_scales_down_where_the_past_of_prometheus_shows_that_it_may() {
    let (world, prometheus) = world().await;
    prometheus
        .wait_for_value("count(count_over_time(load[10m]))", |found| found == 5.0)
        .await;
    let ran = run_once(&world);
    assert_eq!(world.read("calm"), "2\n", "{ran}");
    assert_eq!(world.read("peak"), "7\n", "610 within the window: {ran}");
    for service in ["gap", "half", "ratio"] {
        assert_eq!(world.read(service), "9\n", "{service}: {ran}");
    }
    let notice = "no memory: the windows of 2 of 5 workloads were rebuilt from the past of the load; this pass cannot \
                  scale down the others; if you see this each time, keep .headroom between runs";
    assert!(ran.stderr.contains(notice), "{ran}");
    let past = |service: &str| {
        let explained = world.headroom(&["explain", service, "--last"]).expect(0);
        let line = explained
            .stdout
            .lines()
            .find(|line| line.trim().starts_with("past "));
        line.unwrap().trim().trim_start_matches("past").trim().to_owned()
    };
    assert!(past("calm").starts_with("no memory; rebuilt from 21 known of 21 moments since "));
    assert!(
        past("gap").ends_with(", which are too few to scale down by"),
        "{}",
        past("gap")
    );
    assert_eq!(
        past("ratio"),
        "no memory, and it cannot be rebuilt: what load asks for depends on the count that there was"
    );

    // With its memory, the next pass goes on from there.
    let ran = world.headroom(&["run", "--once"]).expect(0);
    assert!(!ran.stderr.contains("no memory"), "{ran}");
    assert_eq!([world.read("calm"), world.read("peak")], ["2\n", "7\n"]);
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_prometheus_that_is_gone_has_no_past() {
    let (world, mut prometheus) = world().await;
    prometheus.kill();
    let _ = std::fs::remove_dir_all(world.path().join(".headroom"));
    let ran = world.headroom(&["run", "--once"]).expect(3);
    for (service, _) in SERVICES {
        assert_eq!(world.read(service), "9\n", "{service}: {ran}");
    }
    assert!(
        ran.stderr.contains("no memory: this pass cannot scale down"),
        "{ran}"
    );
}
