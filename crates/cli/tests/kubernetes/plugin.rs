//! A credential plugin of the kubeconfig, while `headroom run` goes.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use headroom_test_support::{
    cluster::{Cluster, Workload},
    temp_dir, wait_for_seen,
};
use serde_json::json;

use crate::world::{World, ends};

const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_credential_plugin_that_fails_meanwhile_is_named_and_nothing_is_lowered_until_it_works_again() {
    let mut world = World::new(Cluster::shared().await, "plugin", &[Workload::deployment("api")]).await;
    let directory = temp_dir();
    let (plugin, expired) = (directory.path().join("login"), directory.path().join("expired"));
    // What it gives is over at once, so that it is asked for each request.
    let credential = json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": { "token": world.token(), "expirationTimestamp": "2020-01-01T00:00:00Z" },
    });
    let script = format!(
        "#!/bin/sh\nif [ -e '{}' ]; then echo 'the login has expired' >&2; exit 1; fi\necho '{credential}'\n",
        expired.display()
    );
    fs::write(&plugin, script).unwrap();
    fs::set_permissions(&plugin, fs::Permissions::from_mode(0o700)).unwrap();
    world.use_plugin(&plugin);
    world.write_policy(&format!(
        "deadline = \"5s\"\n[workload.\"{}\"]\nscale_target = \"deployment/api\"\nmin_replicas = 1\nmax_replicas = 10\n\
         interval = \"1s\"\nscale_up = {{ limit = [] }}\nscale_down = {{ stabilization = \"1s\", limit = [] }}\n\
         metrics.load = {{ recorded = \"load.csv\", per_replica = 100 }}\n",
        world.id("api")
    ));
    world.grant_what_is_printed().await;
    world.set_load(540);
    let mut running = world.run();
    let asks_for = async |count: u32| {
        let (workload, count) = (world.id("api"), count.to_string());
        let asked = ["override", &workload, "--min", &count, "--for", "1h"];
        world.headroom(&asked).await.expect(0);
    };
    let comes_to = async |count: u32| {
        wait_for_seen(PATIENCE, &format!("api comes to {count}"), async || {
            let replicas = world.replicas("api").await;
            if replicas == count {
                Ok(())
            } else {
                Err(format!("{replicas} replicas"))
            }
        })
        .await;
    };
    comes_to(6).await;

    fs::write(&expired, "").unwrap();
    asks_for(8).await;
    wait_for_seen(PATIENCE, "the plugin is named", async || {
        let said = running.stdout() + &running.stderr();
        let is_named = said.contains("the credential plugin `")
            && said.contains("/login` of the kubeconfig failed: ")
            && said.contains("the login has expired");
        if is_named { Ok(()) } else { Err(said) }
    })
    .await;
    assert_eq!(world.replicas("api").await, 6);
    fs::remove_file(&expired).unwrap();
    comes_to(8).await;
    ends(&mut running).await;
}
