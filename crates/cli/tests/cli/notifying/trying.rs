//! `headroom notify test`.

use std::{io::Write as _, process::Stdio};

use serde_json::Value;
use wiremock::{Request, ResponseTemplate};

use super::{BUS_SECRET, CHANNELS, NAMES, Told, header};
use crate::{assert_said, common::World};

/// What people are told of, as `--event` takes it.
const EVENTS: [&str; 15] = [
    "scaled",
    "at_max",
    "at_min",
    "fallback",
    "recovered",
    "held",
    "reset_by",
    "blind",
    "error",
    "paused",
    "resumed",
    "overridden",
    "policy_changed",
    "threshold",
    "digest",
];

fn body(asked: &[Request], path: &str) -> Value {
    let one = asked.iter().find(|one| one.url.path() == path);
    one.unwrap_or_else(|| panic!("nothing was sent to {path}"))
        .body_json()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_channel_is_sent_a_notice_that_says_that_it_is_a_test() {
    let told = Told::start(&NAMES, CHANNELS).await;
    told.takes_all().await;
    let ran = told.headroom(&["notify", "test"]).await.expect(0);
    assert_said!("notify_test", ran);

    let asked = told.asked().await;
    assert_eq!(asked.len(), NAMES.len(), "{:?}", told.paths().await);
    for one in &asked {
        let text = std::str::from_utf8(&one.body).unwrap();
        assert!(text.contains("shop/api") && text.contains("est"), "{text}");
    }
    let hook = body(&asked, "/services/T0/B0/hook-path");
    assert!(hook["blocks"].is_array() && hook["text"].is_string(), "{hook}");
    let bot = body(&asked, "/api/chat.postMessage");
    assert_eq!(bot["channel"], "C0123456789");
    let bus = body(&asked, "/bus/bus-path");
    assert_eq!(
        (
            &bus["version"],
            &bus["notices"][0]["is_test"],
            &bus["notices"][0]["cluster"]
        ),
        (&1.into(), &true.into(), &"test".into()),
        "{bus}"
    );
    let pager = body(&asked, "/v2/enqueue");
    assert_eq!(
        (&pager["routing_key"], &pager["event_action"]),
        (&"pager-key-4a5d0c7b".into(), &"trigger".into()),
        "{pager}"
    );
    let alerts = body(&asked, "/alerts-path/api/v2/alerts");
    assert_eq!(alerts[0]["labels"]["test"], "true", "{alerts}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_are_where_receivers_look_for_them_and_the_signature_is_genuine() {
    let told = Told::start(&NAMES, CHANNELS).await;
    told.takes_all().await;
    told.headroom(&["notify", "test"]).await.expect(0);
    let asked = told.asked().await;
    let to = |path: &str| asked.iter().find(|one| one.url.path() == path).unwrap();
    assert_eq!(
        header(to("/api/chat.postMessage"), "authorization"),
        "Bearer xoxb-4a5d0c7b"
    );
    let bus = to("/bus/bus-path");
    assert_eq!(header(bus, "authorization"), "Bearer bus-token-4a5d0c7b");
    assert!(!header(bus, "idempotency-key").is_empty());
    let signed = [header(bus, "headroom-timestamp").as_bytes(), b".", &bus.body].concat();
    assert_eq!(
        header(bus, "headroom-signature"),
        format!("v1={}", signature(&signed))
    );
}

/// The HMAC that another implementation makes.
fn signature(signed: &[u8]) -> String {
    let mut openssl = std::process::Command::new("openssl")
        .args(["dgst", "-sha256", "-hmac", BUS_SECRET, "-r"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    openssl.stdin.take().unwrap().write_all(signed).unwrap();
    let output = openssl.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split(' ').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_event_can_be_tried() {
    let told = Told::by_webhook().await;
    told.takes_all().await;
    let help = told.headroom(&["notify", "test", "--help"]).await.expect(0);
    for event in EVENTS {
        told.headroom(&["notify", "test", "--event", event])
            .await
            .expect(0);
        assert!(help.stdout.contains(event), "{help}");
    }
    let asked = told.asked().await;
    let kinds: Vec<String> = asked
        .iter()
        .map(|one| super::events(one)[0].split(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, EVENTS);
    told.headroom(&["notify", "test", "--event", "weather"])
        .await
        .expect(2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_channels_that_are_named_are_tried() {
    let told = Told::start(&NAMES, CHANNELS).await;
    told.takes_all().await;
    let arguments = [
        "notify",
        "test",
        "--channel",
        "slack.hook",
        "--channel",
        "webhook.bus",
    ];
    let ran = told.headroom(&arguments).await.expect(0);
    assert_eq!(ran.stdout, "slack.hook: sent\nwebhook.bus: sent\n");
    let mut paths = told.paths().await;
    paths.sort_unstable();
    assert_eq!(paths, ["/bus/bus-path", "/services/T0/B0/hook-path"]);

    let ran = told.headroom(&["notify", "test", "--channel", "slack.hok"]).await;
    assert_said!("notify_test_unknown", ran.expect(2));
    assert_eq!(told.paths().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_only_shown_is_not_sent() {
    let told = Told::start(&NAMES, CHANNELS).await;
    told.takes_all().await;
    let ran = told
        .headroom(&["notify", "test", "--event", "at_max", "--print"])
        .await
        .expect(0);
    for name in NAMES {
        assert!(ran.stdout.contains(&format!("{name}:\n")), "{ran}");
    }
    for secret in ["hook-path", "xoxb-", "4a5d0c7b", "bus-path", "alerts-path"] {
        assert!(!ran.to_string().contains(secret), "{secret}: {ran}");
    }
    assert_eq!(told.paths().await, [""; 0]);
    let arguments = [
        "notify",
        "test",
        "--channel",
        "slack.hook",
        "--print",
        "--format",
        "json",
    ];
    let shown = told.headroom(&arguments).await.expect(0).json();
    assert_eq!(shown["channels"][0]["is_sent"], false);
    assert!(
        shown["channels"][0]["message"]
            .as_str()
            .unwrap()
            .contains("shop/api"),
        "{shown}"
    );
    assert_eq!(told.paths().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_refuses_ends_with_1_and_the_others_are_sent_to() {
    let told = Told::start(&NAMES, CHANNELS).await;
    wiremock::Mock::given(wiremock::matchers::path("/services/T0/B0/hook-path"))
        .respond_with(ResponseTemplate::new(403).set_body_string("invalid_token"))
        .mount(&told.server)
        .await;
    told.takes_all().await;
    let ran = told.headroom(&["notify", "test"]).await.expect(1);
    assert_said!("notify_test_refused", ran);
    let json = told
        .headroom(&["notify", "test", "--format", "json"])
        .await
        .expect(1)
        .json();
    let of = |name: &str| {
        let channels = json["channels"].as_array().unwrap();
        channels
            .iter()
            .find(|one| one["channel"] == name)
            .unwrap()
            .clone()
    };
    assert_eq!(of("webhook.bus")["is_sent"], true);
    assert_eq!(of("slack.hook")["is_sent"], false);
    assert!(of("slack.hook")["error"].is_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_whose_variable_is_not_set_is_said_and_the_others_are_sent_to() {
    let told = Told::start(&NAMES, CHANNELS).await;
    told.takes_all().await;
    let mut command = told.command(&["notify", "test"]);
    command.env_remove("SLACK_TOKEN");
    let ran = told.world.finished(command).await.expect(1);
    assert_said!("notify_test_unset", ran);
    assert_eq!(told.paths().await.len(), NAMES.len() - 1);
    // A preview needs nobody, so a missing variable is only said.
    let mut command = told.command(&["notify", "test", "--print"]);
    command.env_remove("SLACK_TOKEN");
    let ran = told.world.finished(command).await.expect(0);
    assert!(
        ran.stderr.contains("slack.bot") && ran.stderr.contains("SLACK_TOKEN"),
        "{ran}"
    );
    let mut command = told.command(&["notify", "test", "--print", "--format", "json"]);
    command.env_remove("SLACK_TOKEN");
    let json = told.world.finished(command).await.expect(0).json();
    let bot = &json["channels"][0];
    assert_eq!(
        (&bot["channel"], &bot["message"]),
        (&"slack.bot".into(), &Value::Null)
    );
    assert!(bot["error"].is_string(), "{json}");
    // Where it is the only one there is nothing to look at.
    let mut command = told.command(&["notify", "test", "--print", "--channel", "slack.bot"]);
    command.env_remove("SLACK_TOKEN");
    told.world.finished(command).await.expect(1);
    // It keeps nothing from being scaled either.
    let mut command = told.command(&["run", "--once"]);
    command.env_remove("SLACK_TOKEN");
    let ran = told.world.finished(command).await.expect(0);
    assert!(
        ran.stderr.contains("slack.bot") && ran.stderr.contains("SLACK_TOKEN"),
        "{ran}"
    );
    assert_eq!(told.world.read("count"), "6\n");
}

#[test]
fn without_channels_there_is_nobody_to_try() {
    let world = World::new(2, 930);
    assert_said!(
        "notify_test_no_channels",
        world.headroom(&["notify", "test"]).expect(2)
    );
    world.headroom(&["notify", "status"]).expect(2);
}
