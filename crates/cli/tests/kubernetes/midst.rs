//! A person who sets the count in the midst of a pass.

use std::{net::SocketAddr, time::Duration};

use headroom_test_support::{
    cluster::{Cluster, Kind, Workload},
    wait_until,
};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

use crate::world::World;

const MINUTE: Duration = Duration::from_secs(60);

/// A Deployment `api` of two replicas, and a policy with `metric` that changes the count as it is told.
async fn world(name: &str, metric: &str) -> World<'static> {
    let world = World::new(Cluster::shared().await, name, &[Workload::deployment("api")]).await;
    world.write_policy(&format!(
        "[workload.\"{}\"]\nscale_target = \"deployment/api\"\nmin_replicas = 1\nmax_replicas = 20\ninterval = \"1s\"\n\
         scale_up = {{ limit = [] }}\nmetrics.load = {metric}\n",
        world.id("api")
    ));
    world.grant_what_is_printed().await;
    world
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_count_that_somebody_sets_in_the_midst_of_a_pass_is_decided_on_anew_in_the_same_one() {
    let server = MockServer::start().await;
    // The load is asked for after the target was read and before the count is written.
    let load = ResponseTemplate::new(200).set_body_string("load 600\n");
    Mock::given(matchers::path("/metrics"))
        .respond_with(load.set_delay(Duration::from_secs(3)))
        .mount(&server)
        .await;
    let address: SocketAddr = *server.address();
    let metric = format!("{{ scrape = \"load\", endpoints = [\"http://{address}\"], per_replica = 100 }}");
    let world = world("midst", &metric).await;
    let pass = world.headroom(&["run", "--once", "--format", "json"]);
    let person = async {
        wait_until(MINUTE, "the load is asked for", async || {
            !server.received_requests().await.unwrap_or_default().is_empty()
        })
        .await;
        world.namespace.set_replicas(Kind::Deployment, "api", 4).await;
    };
    let (ran, ()) = tokio::join!(pass, person);
    let decided = &ran.json()["decisions"][0];
    assert_eq!(
        (&decided["current"], &decided["desired"]),
        (&4.into(), &6.into()),
        "{ran}"
    );
    assert_eq!(world.replicas("api").await, 6);
}
