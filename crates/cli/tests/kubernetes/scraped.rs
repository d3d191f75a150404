//! Scaling by what pods tell of themselves. Pods run nothing here, so one server speaks for them, where their annotation
//! says; headroom goes there only if its operator allows that.

use std::time::Duration;

use headroom_test_support::cluster::{Cluster, SCRAPE_ADDRESS, SCRAPED_SERIES, ScrapedLoad, Workload};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::world::World;

const MINUTE: Duration = Duration::from_secs(60);

/// A Deployment `api` of three replicas, each of which is to have ten users.
struct Scraped<'c> {
    world: World<'c>,
    users: ScrapedLoad,
    pods: Vec<String>,
}

impl Scraped<'_> {
    async fn new(name: &str) -> Self {
        let world = World::new(Cluster::shared().await, name, &[]).await;
        let users = world.namespace.scraped_load("api").await;
        let api = Workload::deployment("api")
            .replicas(3)
            .scraped_at(users.address());
        world.namespace.create_workload(&api).await;
        let pods = world.namespace.wait_for_ready_pods("api", 3).await;
        Self { world, users, pods }
    }

    /// Has the operator's settings say `settings`, and grants what the policy needs.
    async fn write_policy(&self, settings: &str) {
        self.world.write_policy(&format!(
            "{settings}\ndeadline = \"1s\"\n[workload.\"{}\"]\nscale_target = \"deployment/api\"\nmin_replicas = 1\n\
             max_replicas = 10\ninterval = \"1s\"\nscale_up.limit = []\n\
             scale_down = {{ stabilization = \"0s\", limit = [] }}\n\
             metrics.users = {{ scrape = \"{SCRAPED_SERIES}\", port = 9090, per_replica = 10 }}\n",
            self.world.id("api")
        ));
        self.world.grant_what_is_printed().await;
    }

    async fn pass(&self) -> String {
        self.world.headroom(&["run", "--once"]).await.to_string()
    }

    async fn explain(&self) -> String {
        self.world.headroom(&["explain", "api"]).await.stdout
    }

    async fn replicas(&self) -> u32 {
        self.world.replicas("api").await
    }

    /// Lets headroom pass again and again until `api` is to have `count` replicas, and has them.
    async fn reaches(&self, count: u32) {
        self.world.passes_until(MINUTE, count).await;
        let count = usize::try_from(count).unwrap();
        self.world.namespace.wait_for_ready_pods("api", count).await;
    }
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_deployment_follows_what_its_pods_tell_up_and_down() {
    let scraped = Scraped::new("scraped").await;
    scraped.write_policy("allow_scrape_address = true").await;
    scraped.users.set(58.0);
    scraped.reaches(6).await;
    scraped.users.set(17.0);
    scraped.reaches(2).await;
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn pods_that_do_not_answer_are_unknown_and_no_load_of_zero() {
    let scraped = Scraped::new("partial").await;
    scraped.write_policy("allow_scrape_address = true").await;
    let silent = &scraped.pods[0];
    let nobody = json!({ "metadata": { "annotations": { SCRAPE_ADDRESS: "127.0.0.1:1" } } });
    let pods = scraped.world.namespace.api::<Pod>();
    pods.patch(silent, &PatchParams::default(), &Patch::Merge(nobody))
        .await
        .unwrap();
    // Two of three tell of 16 users: two replicas would do if the third had none. A first pass lowers nothing in any case.
    scraped.users.set(24.0);
    for _ in 0..4 {
        let said = scraped.pass().await;
        assert_eq!(scraped.replicas().await, 3, "{said}");
    }
    let explained = scraped.explain().await;
    assert!(
        explained.contains(&format!("replica {silent} ("))
            && explained.contains("could not be reached")
            && explained.contains("from 2 replicas"),
        "{explained}"
    );
    // Of 62, two tell of 42 or so: that alone is reason to scale up.
    scraped.users.set(62.0);
    let said = scraped.pass().await;
    assert_eq!(scraped.replicas().await, 5, "{said}");
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn where_pods_want_to_be_scraped_counts_for_nothing_unless_the_operator_allows_it() {
    let scraped = Scraped::new("annotated").await;
    scraped.users.set(58.0);
    for settings in ["", "allow_scrape_address = false"] {
        scraped.write_policy(settings).await;
        let said = scraped.pass().await;
        assert_eq!(scraped.replicas().await, 3, "{said}");
        let explained = scraped.explain().await;
        assert!(explained.contains("none of 3 replicas answered"), "{explained}");
    }
    scraped.write_policy("allow_scrape_address = true").await;
    let said = scraped.pass().await;
    assert_eq!(scraped.replicas().await, 6, "{said}");
}
