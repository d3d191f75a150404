//! The devtrip example as it is: CPU and memory from metrics-server, users, requests and latency from a real Prometheus.
//! The namespace and the Prometheus are told as the old script was, by the environment.

use std::{fmt::Write as _, fs, time::Duration};

use headroom_test_support::{
    Prometheus,
    cluster::{Cluster, Load, Workload},
    wait_for_seen,
};

use crate::world::World;

const PATIENCE: Duration = Duration::from_secs(180);
/// The most that the example lets there be.
const PODS: u32 = 10;
const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/devtrip");

/// The service and what watches over it.
struct Devtrip<'c> {
    world: World<'c>,
    prometheus: Prometheus,
}

impl Devtrip<'_> {
    async fn new() -> Self {
        let api = Workload::deployment("api").container("app", "100m", "64Mi");
        let world = World::new(Cluster::shared().await, "devtrip", &[api]).await;
        // `rbac` is asked of the same policy with the names that the environment gives it.
        let example = fs::read_to_string(format!("{EXAMPLE}/headroom.toml")).unwrap();
        world.write_policy(&example.replace("devtrip/api", &world.id("api")));
        world.grant_what_is_printed().await;
        let rules = service(world.namespace.name());
        let prometheus = Prometheus::builder().rules(&rules).start().await;
        Self { world, prometheus }
    }

    async fn headroom(&self, arguments: &[&str]) -> String {
        let mut command = self.world.command(arguments);
        command.args(["-c", EXAMPLE, "--state-dir", "state"]);
        command.env("NAMESPACE", self.world.namespace.name());
        command.env(
            "METRICS_SERVER",
            self.prometheus.url().trim_start_matches("http://"),
        );
        let ran = self.world.finished(command).await;
        ran.stdout + &ran.stderr
    }

    /// Lets headroom pass again and again until there are to be `count` replicas.
    async fn reaches(&self, count: u32) {
        wait_for_seen(PATIENCE, &format!("{count} replicas"), async || {
            let passed = self.headroom(&["run", "--once"]).await;
            if self.world.replicas("api").await == count {
                Ok(())
            } else {
                Err(passed)
            }
        })
        .await;
    }
}

/// What the service's metrics come to, as recording rules: 390 users, 250 requests a second that all take less than half a
/// second, and as many pods that are scraped as there may be.
fn service(namespace: &str) -> String {
    let served = "vector(time() * 250)";
    let latency = "http_request_duration_seconds_bucket";
    let mut series = vec![
        ("devtrip:active_users_total", "vector(390)", String::new()),
        ("http_requests_total", served, String::new()),
        (latency, served, "le: '0.5'".to_owned()),
        (latency, served, "le: '2.5'".to_owned()),
        (latency, served, "le: '+Inf'".to_owned()),
    ];
    series.extend((0..PODS).map(|pod| ("up", "vector(1)", format!("pod: pod-{pod}"))));
    let mut rules = "groups:\n  - name: service\n    rules:\n".to_owned();
    for (record, expression, label) in series {
        writeln!(
            rules,
            "      - record: {record}\n        expr: {expression}\n        labels:\n          namespace: {namespace}"
        )
        .unwrap();
        if !label.is_empty() {
            writeln!(rules, "          {label}").unwrap();
        }
    }
    rules
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn the_example_scales_by_users_cpu_and_memory_with_all_five_metrics_known() {
    let devtrip = Devtrip::new().await;
    let load = Load::none().cpu(0.1);
    devtrip.world.namespace.set_load("api", &load).await;
    devtrip.reaches(4).await;
    // 390 users are four replicas; 360m are six at 70 % of 100m each.
    let load = Load::none().cpu(0.36);
    devtrip.world.namespace.set_load("api", &load).await;
    devtrip.reaches(6).await;
    // What eight use at 80 % of 64Mi each, or a little less.
    let memory = 7.8 * 0.8 * 64.0 * 1024.0 * 1024.0;
    devtrip
        .world
        .namespace
        .set_load("api", &load.memory(memory))
        .await;
    devtrip.reaches(8).await;
    let explained = devtrip.headroom(&["explain", &devtrip.world.id("api")]).await;
    for metric in ["cpu", "memory", "active_users", "request_rate", "p95_latency"] {
        let unknown = explained
            .lines()
            .find(|line| line.contains(metric) && line.contains("unknown"));
        assert!(explained.contains(metric) && unknown.is_none(), "{explained}");
    }
}
