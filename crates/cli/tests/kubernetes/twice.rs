//! Two workloads whose targets are one object by two names of its kind.

use headroom_test_support::cluster::{Cluster, Kind, Workload};

use crate::world::World;

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn an_object_that_two_workloads_scale_is_told_of_before_they_do() {
    let workloads = [Workload::new(Kind::Rollout, "web")];
    let world = World::new(Cluster::shared().await, "twice", &workloads).await;
    let policy = |name: &str, target: &str, mode: &str| {
        format!(
            "[workload.\"{}\"]\nscale_target = \"{target}\"\nmin_replicas = 1\nmax_replicas = 10\nmode = \"{mode}\"\n\
             metrics.load = {{ recorded = \"load.csv\", per_replica = 100 }}\n",
            world.id(name)
        )
    };
    let both = |mode: &str| {
        let one = policy("web", "rollouts.argoproj.io/web", "apply");
        format!("{one}{}", policy("other", "rollout.argoproj.io/web", mode))
    };
    world.set_load(200);
    world.write_policy(&both("apply"));
    world.grant_what_is_printed().await;
    let twice = "is the object of ";
    let live = world.headroom(&["check", "--live"]).await.expect(1);
    assert_eq!(live.stdout.matches(twice).count(), 1, "{live}");
    // One that only watches does not set it.
    world.write_policy(&both("shadow"));
    let live = world.headroom(&["check", "--live"]).await.expect(0);
    live.says_nothing_of(twice);
}
