//! The troubles that the book shows, each provoked: what stands on the page is what headroom says.

use std::{fs, path::Path};

use headroom_test_support::cluster::{Cluster, Component, Kind, Workload};

use crate::{faults::fragile, world::World};

const CPU: &str = "metrics.cpu = { utilization = \"70%\" }";
const LOAD: &str = "metrics.load = { recorded = \"load.csv\", per_replica = 100 }";

/// A Deployment whose pods request 100m, with a policy.
async fn world_of<'c>(cluster: &'c Cluster, name: &str, policy: &str, forbidden: &[&str]) -> World<'c> {
    let api = Workload::deployment("api").container("app", "100m", "64Mi");
    world_with(cluster, name, api, policy, forbidden).await
}

async fn world_with<'c>(
    cluster: &'c Cluster,
    name: &str,
    api: Workload,
    policy: &str,
    forbidden: &[&str],
) -> World<'c> {
    let world = World::new(cluster, name, &[api]).await;
    world.write_policy(&format!(
        "[workload.\"{}\"]\nscale_target = \"deployment/api\"\nmin_replicas = 2\nmax_replicas = 10\n{policy}\n",
        world.id("api")
    ));
    world.grant_without(forbidden).await;
    world.set_load(540);
    world
}

/// The commands that the page shows under `heading`, each with what it prints.
fn shown(heading: &str) -> Vec<(String, Vec<String>)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/troubleshooting.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once(&format!("\n### {heading}\n")).unwrap();
    let section = rest.split("\n### ").next().unwrap();
    let blocks = section.split("```text\n").skip(1);
    let blocks = blocks.filter_map(|block| block.split_once("\n```").map(|(block, _)| block));
    let command = |block: &str| {
        let (command, lines) = block.split_once('\n').unwrap();
        let command = command.strip_prefix("$ headroom ").unwrap();
        (command.to_owned(), lines.lines().map(str::to_owned).collect())
    };
    blocks.map(command).collect()
}

/// Whether headroom said the line of the page, of which `…` stands for anything; spaces that align do not count.
fn is_said(line: &str, said: &str) -> bool {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = plain(line);
    said.lines()
        .map(plain)
        .any(|said| match line.split_once('\u{2026}') {
            Some((begin, end)) => said.starts_with(begin.trim_end()) && said.ends_with(end.trim_start()),
            None => said == line,
        })
}

/// Runs what the page shows under `heading` at the place `number`, where the trouble is there.
async fn check(world: &World<'_>, heading: &str, number: usize) {
    let (command, lines) = &shown(heading)[number];
    assert!(!lines.is_empty(), "{heading}: {command}");
    let command = command.replace("shop/api", &world.id("api"));
    let ran = world.headroom(&command.split(' ').collect::<Vec<_>>()).await;
    let said = ran.to_string().replace(world.namespace.name(), "shop");
    for line in lines {
        assert!(is_said(line, &said), "{heading}: `{line}` is not said:\n{said}");
    }
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn metrics_that_cannot_be_read_are_as_the_book_shows_them() {
    let heading = "Metrics cannot be read";
    let shared = Cluster::shared().await;
    let world = world_of(shared, "usage-rule", CPU, &["pods.metrics.k8s.io"]).await;
    check(&world, heading, 0).await;

    let api = Workload::deployment("api").container("app", "0", "64Mi");
    let world = world_with(shared, "requests", api, CPU, &[]).await;
    world
        .namespace
        .wait_for_usage("api", |usage| usage.len() == 2)
        .await;
    check(&world, heading, 1).await;

    let cluster = fragile().await;
    let world = world_of(&cluster, "no-server", CPU, &[]).await;
    cluster.kill(Component::MetricsServer);
    world.headroom(&["run", "--once"]).await.expect(3);
    check(&world, heading, 2).await;
    cluster.start_again(Component::MetricsServer).await;
    assert_eq!(shown(heading).len(), 3);
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn permissions_that_are_missing_are_as_the_book_shows_them() {
    let heading = "A permission is missing";
    let shared = Cluster::shared().await;
    let world = world_of(shared, "write-rule", LOAD, &["deployments/scale.apps"]).await;
    check(&world, heading, 0).await;
    let world = world_of(shared, "read-rule", LOAD, &["deployments.apps"]).await;
    check(&world, heading, 1).await;
    let world = world_of(
        shared,
        "guard-rule",
        LOAD,
        &["horizontalpodautoscalers.autoscaling"],
    )
    .await;
    world.headroom(&["run", "--once"]).await.expect(0);
    check(&world, heading, 2).await;
    assert_eq!(shown(heading).len(), 3);
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn scaling_that_is_late_or_too_much_is_explained_as_the_book_shows_it() {
    let shared = Cluster::shared().await;
    let limited = format!("{LOAD}\nscale_up.limit = [\"1 per 5m\"]");
    let world = world_of(shared, "late", &limited, &[]).await;
    check(&world, "It scales too late", 0).await;
    assert_eq!(world.replicas("api").await, 3);
    let world = world_of(shared, "hpa", LOAD, &[]).await;
    world
        .namespace
        .create_hpa(Kind::Deployment, "api", 2..=2, 70)
        .await;
    world.headroom(&["run", "--once"]).await.expect(0);
    check(&world, "It scales too late", 1).await;
    let world = world_of(shared, "much", &format!("{LOAD}\nscale_up.limit = []"), &[]).await;
    world.headroom(&["run", "--once"]).await.expect(0);
    check(&world, "It scales too much", 0).await;
}
