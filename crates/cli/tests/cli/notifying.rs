//! `headroom notify`, and what passes tell people: against a server of this test that takes, refuses or keeps silent.

mod delivering;
mod heartbeat;
mod secrets;
mod silencing;
mod textfile;
mod trying;

use std::{process::Command, time::Duration};

use headroom_test_support::wait_until;
use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{any, method, path},
};

use crate::common::{ONE_WORKLOAD, Ran, World};

/// A channel of each kind that HTTP can reach. Everything secret is a variable.
const CHANNELS: &str = r#"
[notify.slack.hook]
webhook = "env:SLACK_HOOK"
allow_http = true

[notify.slack.bot]
token = "env:SLACK_TOKEN"
channel = "C0123456789"
api = "SERVER/api"
allow_http = true

[notify.webhook.bus]
url = "env:BUS_URL"
secret = "env:BUS_SECRET"
authorization = "env:BUS_AUTHORIZATION"
allow_http = true

[notify.webhook.pager]
form = "pagerduty"
routing_key = "env:PAGER_KEY"
url = "env:PAGER_URL"
allow_http = true

[notify.webhook.alerts]
form = "alertmanager"
url = "env:ALERTS_URL"
allow_http = true
"#;

/// The names of [`CHANNELS`], sorted.
const NAMES: [&str; 5] = [
    "slack.bot",
    "slack.hook",
    "webhook.alerts",
    "webhook.bus",
    "webhook.pager",
];

/// What messages of `webhook.bus` are signed with.
const BUS_SECRET: &str = "whsec-4a5d0c7b";

/// A workload that scales, and people who are told of it by a server of the test.
struct Told {
    world: World,
    server: MockServer,
}

impl Told {
    /// Every workload's news go to `channels`, which are defined by `definitions`.
    async fn start(channels: &[&str], definitions: &str) -> Self {
        let server = MockServer::start().await;
        let world = World::new(2, 930);
        let told = Self { world, server };
        told.set_policy(channels, definitions);
        told
    }

    /// Every workload's news go to one channel, headroom's own webhook, which is told of everything.
    async fn by_webhook() -> Self {
        Self::start(&["webhook.bus"], BUS).await
    }

    fn set_policy(&self, channels: &[&str], definitions: &str) {
        let definitions = definitions.replace("SERVER", &self.server.uri());
        let policy =
            format!("cluster = \"test\"\n[defaults]\nnotify = {channels:?}\n{ONE_WORKLOAD}{definitions}");
        self.world.write("headroom.toml", &policy);
    }

    /// What each receiver says when it has taken a message.
    async fn takes_all(&self) {
        for (at, answer) in [
            (
                "/services/T0/B0/hook-path",
                ResponseTemplate::new(200).set_body_string("ok"),
            ),
            (
                "/api/chat.postMessage",
                ResponseTemplate::new(200)
                    .set_body_json(json!({"ok": true, "channel": "C0123456789", "ts": "1700000000.000100"})),
            ),
            ("/bus/bus-path", ResponseTemplate::new(204)),
            (
                "/v2/enqueue",
                ResponseTemplate::new(202).set_body_json(json!({"status": "success"})),
            ),
            ("/alerts-path/api/v2/alerts", ResponseTemplate::new(200)),
        ] {
            let mock = Mock::given(method("POST")).and(path(at)).respond_with(answer);
            mock.mount(&self.server).await;
        }
    }

    /// Everybody answers like this, whatever they are asked.
    async fn answers(&self, answer: ResponseTemplate) {
        Mock::given(any()).respond_with(answer).mount(&self.server).await;
    }

    /// headroom with the variables that the channels name.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.world.command(arguments);
        let at = |path: &str| format!("{}{path}", self.server.uri());
        command
            .env("SLACK_HOOK", at("/services/T0/B0/hook-path"))
            .env("SLACK_TOKEN", "xoxb-4a5d0c7b")
            .env("BUS_URL", at("/bus/bus-path"))
            .env("BUS_SECRET", BUS_SECRET)
            .env("BUS_AUTHORIZATION", "Bearer bus-token-4a5d0c7b")
            .env("PAGER_KEY", "pager-key-4a5d0c7b")
            .env("PAGER_URL", at("/v2/enqueue"))
            .env("ALERTS_URL", at("/alerts-path"))
            .env("HEARTBEAT_URL", at("/ping/heartbeat-path"));
        command
    }

    async fn headroom(&self, arguments: &[&str]) -> Ran {
        self.world.finished(self.command(arguments)).await
    }

    /// Single passes, as cron makes them: what failed is not tried again at once.
    async fn passes_until_nothing_waits(&self) {
        wait_until(Duration::from_secs(60), "nothing waits", async || {
            self.headroom(&["run", "--once"]).await.expect(0);
            let status = self.headroom(&["notify", "status"]).await.expect(0);
            !status.stdout.contains("waits, for") && !status.stdout.contains("notices wait")
        })
        .await;
    }

    /// What was asked of the server, in order.
    async fn asked(&self) -> Vec<Request> {
        self.server.received_requests().await.unwrap()
    }

    /// The paths that were asked for, in order.
    async fn paths(&self) -> Vec<String> {
        let asked = self.asked().await;
        asked.iter().map(|one| one.url.path().to_owned()).collect()
    }
}

/// headroom's own webhook alone, which is told of everything.
const BUS: &str = r#"
[notify.webhook.bus]
url = "env:BUS_URL"
allow_http = true
"#;

/// The header of a request.
fn header<'r>(request: &'r Request, name: &str) -> &'r str {
    request.headers.get(name).unwrap().to_str().unwrap()
}

/// Kinds and stages of the notices of a message in headroom's own form.
fn events(request: &Request) -> Vec<String> {
    let body: Value = request.body_json().unwrap();
    let notices = body["notices"].as_array().unwrap();
    let event = |notice: &Value| {
        let (kind, stage) = (&notice["event"]["kind"], &notice["stage"]);
        format!("{} {}", kind.as_str().unwrap(), stage.as_str().unwrap())
    };
    notices.iter().map(event).collect()
}
