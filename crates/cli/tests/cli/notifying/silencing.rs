//! `headroom notify status`, `silence` and `unsilence`.

use wiremock::ResponseTemplate;

use super::Told;
use crate::{assert_said, assert_table_said, common::World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_says_what_waits_and_why() {
    let told = Told::by_webhook().await;
    let ran = told.headroom(&["notify", "status"]).await.expect(0);
    assert!(ran.stdout.contains("webhook.bus: nothing waits\n"), "{ran}");

    told.answers(ResponseTemplate::new(500)).await;
    told.headroom(&["run", "--once"]).await.expect(0);
    let ran = told.headroom(&["notify", "status"]).await.expect(0);
    assert!(
        ran.stdout.starts_with("webhook.bus: 1 notice waits, for ") && ran.stdout.contains("it has failed"),
        "{ran}"
    );
    let json = told
        .headroom(&["notify", "status", "--format", "json"])
        .await
        .expect(0)
        .json();
    let channel = &json["channels"][0];
    assert_eq!(
        (&channel["channel"], &channel["waiting"]),
        (&"webhook.bus".into(), &1.into()),
        "{json}"
    );
    assert!(
        channel["failures"].as_u64() >= Some(1)
            && channel["last_error"].is_string()
            && channel["waiting_since"].is_string(),
        "{json}"
    );

    told.server.reset().await;
    told.takes_all().await;
    told.passes_until_nothing_waits().await;
    let json = told
        .headroom(&["notify", "status", "--format", "json"])
        .await
        .expect(0)
        .json();
    let channel = &json["channels"][0];
    assert_eq!(
        (
            &channel["waiting"],
            &channel["failures"],
            &channel["sent_within_an_hour"]
        ),
        (&0.into(), &0.into(), &1.into()),
        "{json}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_told_of_what_is_silenced() {
    let told = Told::by_webhook().await;
    told.takes_all().await;
    let arguments = ["notify", "silence", "api", "--for", "2h", "--reason", "load test"];
    let ran = told.headroom(&arguments).await.expect(0);
    assert_said!("notify_silence", ran);
    let ran = told.headroom(&["notify", "status"]).await.expect(0);
    assert_said!("notify_status_silenced", ran);
    told.headroom(&["run", "--once"]).await.expect(0);
    assert_eq!(told.world.read("count"), "6\n", "scaling goes on");
    assert_eq!(told.paths().await, [""; 0], "but nobody is told");

    let ran = told.headroom(&["notify", "unsilence", "api"]).await.expect(0);
    assert_said!("notify_unsilence", ran);
    told.world.write("count", "3\n");
    told.headroom(&["run", "--once"]).await.expect(0);
    assert_eq!(told.paths().await, ["/bus/bus-path"]);
    assert_eq!(told.asked().await.len(), 1, "what was silenced is not told later");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_is_told_whatever_is_silenced_unless_that_is_asked_for() {
    let told = Told::by_webhook().await;
    told.takes_all().await;
    told.world.write("set.sh", "echo no rights >&2; exit 3\n");
    told.headroom(&["notify", "silence", "-A", "--for", "2h"])
        .await
        .expect(0);
    told.headroom(&["run", "--once"]).await.expect(1);
    let asked = told.asked().await;
    assert_eq!(asked.len(), 1, "{:?}", told.paths().await);
    assert_eq!(super::events(&asked[0]), ["error opened"]);

    let silent = Told::by_webhook().await;
    silent.takes_all().await;
    silent.world.write("set.sh", "echo no rights >&2; exit 3\n");
    let arguments = ["notify", "silence", "-A", "--for", "2h", "--critical"];
    silent.headroom(&arguments).await.expect(0);
    silent.headroom(&["run", "--once"]).await.expect(1);
    assert_eq!(silent.paths().await, [""; 0]);
}

#[test]
fn silences_are_listed_ended_and_asked_for_with_an_end() {
    let world = World::new(2, 930);
    let ran = world
        .headroom(&["notify", "silence", "-A", "--for", "2h", "--critical"])
        .expect(0);
    assert_table_said!("notify_silence_all", ran);
    let arguments = ["notify", "silence", "api", "--until", "18:00", "--format", "json"];
    let json = world.headroom(&arguments).expect(0).json();
    let silence = &json["silenced"][0];
    assert_eq!(
        (
            &silence["workload"],
            &silence["by"],
            &silence["is_critical_silenced"]
        ),
        (&"shop/api".into(), &"tester".into(), &false.into()),
        "{json}"
    );
    assert_said!(
        "notify_unsilence_all",
        world.headroom(&["notify", "unsilence", "-A"]).expect(0)
    );
    assert_said!(
        "notify_unsilence_none",
        world.headroom(&["notify", "unsilence", "-A"]).expect(0)
    );
    assert_said!(
        "notify_unsilence_again",
        world.headroom(&["notify", "unsilence", "api"]).expect(0)
    );

    assert_said!(
        "notify_silence_nothing",
        world.headroom(&["notify", "silence", "--for", "2h"]).expect(2)
    );
    assert_said!(
        "notify_silence_without_end",
        world.headroom(&["notify", "silence", "api"]).expect(2)
    );
    world
        .headroom(&["notify", "silence", "api", "--until", "2020-01-01"])
        .expect(2);
    world
        .headroom(&["notify", "silence", "web", "--for", "2h"])
        .expect(2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_shows_what_waits_for_channels_that_are_gone_and_silences_without_any_channel() {
    let told = Told::by_webhook().await;
    told.answers(ResponseTemplate::new(503)).await;
    told.headroom(&["run", "--once"]).await.expect(0);
    told.set_policy(&[], "");
    let ran = told.headroom(&["notify", "status"]).await.expect(0);
    assert!(ran.stdout.contains("webhook.bus: 1 notice waits"), "{ran}");
    assert!(ran.stdout.contains("there is no such channel any more"), "{ran}");
    let json = told
        .headroom(&["notify", "status", "--format", "json"])
        .await
        .expect(0)
        .json();
    assert_eq!(json["channels"][0]["is_configured"], false, "{json}");

    let silent = Told::start(&[], "").await;
    let arguments = ["notify", "silence", "api", "--for", "2h", "--critical"];
    silent.headroom(&arguments).await.expect(0);
    let ran = silent.headroom(&["notify", "status"]).await.expect(0);
    assert!(
        ran.stdout.starts_with("nobody is told of shop/api until ") && !ran.stdout.contains("critical"),
        "{ran}"
    );
}
