//! A sign of life after each pass that could see everything.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
    time::Duration,
};

use headroom_test_support::wait_until;
use wiremock::ResponseTemplate;

use super::Told;

const PATH: &str = "/ping/heartbeat-path";
const HEARTBEAT: &str = r#"
[notify]
heartbeat = "env:HEARTBEAT_URL"
allow_http = true
"#;

async fn beating() -> Told {
    let told = Told::start(&[], HEARTBEAT).await;
    told.answers(ResponseTemplate::new(200)).await;
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_complete_pass_is_one_sign_of_life() {
    let told = beating().await;
    told.headroom(&["run", "--once"]).await.expect(0);
    let asked = told.asked().await;
    assert_eq!(told.paths().await, [PATH]);
    assert_eq!(asked[0].method.as_str(), "GET");
    told.headroom(&["run", "--once"]).await.expect(0);
    assert_eq!(told.paths().await, [PATH, PATH]);
    told.headroom(&["plan"]).await.expect(0);
    assert_eq!(told.paths().await.len(), 2, "looking ahead is no sign of life");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pass_over_a_part_of_the_workloads_is_none() {
    let told = beating().await;
    let policy = told.world.read("headroom.toml");
    let another = crate::common::ONE_WORKLOAD
        .replace("shop/api", "shop/web")
        .replace("count", "count2")
        .replace("set.sh", "set2.sh");
    told.world.write("headroom.toml", &format!("{policy}{another}"));
    told.world.write("count2", "2\n");
    told.world.write("set2.sh", "echo $1 > count2\n");
    told.headroom(&["run", "--once", "shop/api"]).await.expect(0);
    assert_eq!(told.paths().await, [""; 0]);
    told.headroom(&["run", "--once", "api", "web"]).await.expect(0);
    assert_eq!(told.paths().await, [PATH]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pass_that_was_blind_or_failed_is_none() {
    let told = beating().await;
    told.world.write("set.sh", "exit 3\n");
    told.headroom(&["run", "--once"]).await.expect(1);
    told.world.write("load.csv", "timestamp,value\n1,5\n");
    told.headroom(&["run", "--once"]).await.expect(3);
    told.world.write("state", "a file, no directory");
    told.headroom(&["run", "--once", "--state-dir", "state"])
        .await
        .expect(1);
    assert_eq!(told.paths().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_that_does_not_arrive_is_said_and_fails_nothing() {
    let told = Told::start(&[], HEARTBEAT).await;
    told.answers(ResponseTemplate::new(404)).await;
    let ran = told.headroom(&["run", "--once"]).await.expect(0);
    assert!(ran.stderr.contains("the heartbeat did not arrive"), "{ran}");
    assert!(!ran.stderr.contains("heartbeat-path"), "{ran}");
}

fn running(told: &Told) -> Child {
    let policy = told.world.read("headroom.toml");
    let policy = policy.replace("[defaults]\n", "[defaults]\ninterval = \"100ms\"\n");
    told.world.write("headroom.toml", &policy);
    let mut command = told.command(&["run", "--format", "json"]);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_loop_gives_signs_of_life_again_and_again() {
    let told = beating().await;
    let mut child = running(&told);
    wait_until(Duration::from_secs(30), "three signs of life", async || {
        told.paths().await.len() >= 3
    })
    .await;
    crate::ends::signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(told.paths().await.iter().all(|path| path == PATH));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loop_that_is_blind_gives_none() {
    let told = beating().await;
    told.world.write("load.csv", "timestamp,value\n1,5\n");
    let mut child = running(&told);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let passes = tokio::task::spawn_blocking(move || lines.take(5).map_while(Result::ok).count());
    assert_eq!(passes.await.unwrap(), 5);
    crate::ends::signal(&child, "TERM");
    child.wait().unwrap();
    assert_eq!(told.paths().await, [""; 0]);
}
