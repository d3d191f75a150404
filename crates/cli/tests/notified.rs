//! What people are told while a real Prometheus scrapes real replicas of the demo service and `headroom run` scales them:
//! the load goes up, and down again; a query that finds nothing, and put right; Prometheus killed, and back.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod demo_service;

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use demo_service::{Load, ports};
use headroom_test_support::{Job, LeftoverCheck, Prometheus, install_tls, temp_dir};
use serde_json::Value;
use tokio::time::{Instant, sleep};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

/// How often the replicas that are up are looked for.
const LOOKS_EVERY: Duration = Duration::from_millis(500);
/// The longest that anything is waited for: a count has to be at a bound for a minute before anybody is told.
const LONGEST: Duration = Duration::from_secs(150);
const RATE: &str = r#"sum(rate(http_requests_total{job="web"}[4s]))"#;
/// The same with a slip in the metric's name.
const NOTHING: &str = r#"sum(rate(http_request_total{job="web"}[4s]))"#;

struct World {
    _directory: tempfile::TempDir,
    path: PathBuf,
    mark: LeftoverCheck,
    prometheus: Prometheus,
    load: Load,
    receiver: MockServer,
    targets: Vec<u16>,
    running: Option<Child>,
}

impl World {
    async fn start() -> Self {
        install_tls();
        let directory = temp_dir();
        let receiver = MockServer::start().await;
        take_everything(&receiver).await;
        Self {
            path: directory.path().to_owned(),
            _directory: directory,
            mark: LeftoverCheck::new(),
            prometheus: Prometheus::builder().job(Job::new("web")).start().await,
            load: Load::start(),
            receiver,
            targets: Vec::new(),
            running: None,
        }
    }

    fn write_policy(&self, query: &str) {
        let channel = |kind: &str, name: &str, address: &str, language: &str| {
            format!(
                r#"
                [notify.{kind}.{name}]
                {address} = "{url}/{name}"
                allow_http = true
                language = "{language}"
                on = ["scaled", "at_max", "fallback", "recovered", "held", "reset_by", "error", "policy_changed"]
                group_wait = "0s"
                group_interval = "1s"
                max_per_hour = 1000
                "#,
                url = self.receiver.uri(),
            )
        };
        let policy = format!(
            r#"
            cluster = "test"

            [prometheus.main]
            url = "{url}"
            scrape_interval = "1s"

            [defaults]
            notify = ["webhook.en", "webhook.ko", "slack.ops"]

            [workload.web]
            min_replicas = 1
            max_replicas = 3
            interval = "1s"
            process = {{ command = ['{program}', "demo", "service", "--startup-millis", "100"], ready = {{ http = "/healthz" }}, drain = "2s" }}
            scale_down = {{ stabilization = "5s" }}
            guards = {{ max_reversals = 100 }}
            fallback = {{ replicas = 3, after = "20s" }}

            [workload.web.metrics.request_rate]
            query = '{query}'
            coverage = 'count(up{{job="web"}} == 1)'
            per_replica = 50
            max_age = "10s"
            {channels}
            "#,
            url = self.prometheus.url(),
            program = env!("CARGO_BIN_EXE_headroom"),
            channels = [
                channel("webhook", "en", "url", "en"),
                channel("webhook", "ko", "url", "ko"),
                channel("slack", "ops", "webhook", "en"),
            ]
            .concat(),
        );
        fs::write(self.path.join("headroom.toml"), policy).unwrap();
    }

    /// Starts the loop with this query.
    fn run(&mut self, query: &str) {
        self.write_policy(query);
        let mut command = Command::new(env!("CARGO_BIN_EXE_headroom"));
        command
            .arg("run")
            .current_dir(&self.path)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.path.join("log"))
            .unwrap();
        command.stderr(log);
        command.env_remove("HEADROOM_CONFIG").env_remove("DEBUG");
        self.mark.mark(&mut command);
        self.running = Some(command.spawn().unwrap());
    }

    /// Ends the loop in order. Replicas go on.
    fn stop(&mut self) {
        let Some(mut running) = self.running.take() else {
            return;
        };
        let id = running.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(sent.success());
        running.wait().unwrap();
    }

    /// Tells Prometheus and the load which replicas are up, if there are others than before.
    async fn follow_replicas(&mut self) {
        let ports = ports(&self.mark);
        if ports == self.targets {
            return;
        }
        self.load.to(ports.clone());
        self.prometheus
            .set_targets("web", ports.iter().map(|port| format!("127.0.0.1:{port}")))
            .await;
        self.targets = ports;
    }

    /// Waits until these are among what was told in English: event and stage each.
    async fn until_told(&mut self, last: &[&str]) {
        let deadline = Instant::now() + LONGEST;
        loop {
            if self.prometheus.pid().is_some() {
                self.follow_replicas().await;
            }
            let told = self.told("/en").await;
            if last
                .iter()
                .all(|one| told.iter().any(|line| line.starts_with(one)))
            {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "not told of {last:?}, but of\n{}\n{}",
                told.join("\n"),
                fs::read_to_string(self.path.join("log")).unwrap()
            );
            sleep(LOOKS_EVERY).await;
        }
    }

    /// What was told since the last [`World::forget`]: event, stage and title, in the order in which it happened, the same
    /// again in a row once. What comes of one pass may be sent in any order.
    async fn told(&self, path: &str) -> Vec<String> {
        let mut told: Vec<(String, String)> = Vec::new();
        for request in self.receiver.received_requests().await.unwrap() {
            if request.url.path() != path {
                continue;
            }
            let body: Value = request.body_json().unwrap();
            for notice in body["notices"].as_array().unwrap() {
                let text = |pointer: &str| notice.pointer(pointer).unwrap().as_str().unwrap().to_owned();
                // On its way to a count it may stop at others, of one replica or of several.
                let title = without_numbers(&text("/text/title")).replace("replicas", "replica");
                let line = format!("{} {}: {title}", text("/event/kind"), text("/stage"));
                told.push((text("/at"), line));
            }
        }
        told.sort();
        let mut told: Vec<String> = told.into_iter().map(|(_, line)| line).collect();
        told.dedup();
        told
    }

    /// How many messages came to `path`.
    async fn messages(&self, path: &str) -> usize {
        let all = self.receiver.received_requests().await.unwrap();
        all.iter().filter(|one| one.url.path() == path).count()
    }

    /// Compares what was told with its snapshot, in each language, and begins anew.
    async fn assert_told(&mut self, phase: &str) {
        for language in ["en", "ko"] {
            let told = self.told(&format!("/{language}")).await;
            insta::with_settings!({
                // How long something took is another time each time, in seconds or in minutes and seconds.
                filters => vec![(r"N(\.N)?( (s|min)|초|분)( N( s|초))?", "[SPAN]")],
                omit_expression => true,
            }, {
                insta::assert_snapshot!(format!("{phase}_{language}"), told.join("\n"));
            });
        }
        assert!(self.messages("/ops").await > 0, "{phase}: nothing came to Slack");
        self.forget().await;
    }

    /// From now on only what is told from now on counts.
    async fn forget(&self) {
        self.receiver.reset().await;
        take_everything(&self.receiver).await;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            // It may have ended by itself.
            let _ = running.kill();
            let _ = running.wait();
        }
    }
}

async fn take_everything(receiver: &MockServer) {
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200).set_body_string("ok"))
        .mount(receiver)
        .await;
}

/// `text` with an N for each number.
fn without_numbers(text: &str) -> String {
    let mut said = String::new();
    for letter in text.chars() {
        match letter {
            '0'..='9' if said.ends_with('N') => {}
            '0'..='9' => said.push('N'),
            _ => said.push(letter),
        }
    }
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn people_are_told_what_happens_when_it_begins_and_when_it_ends() {
    let mut world = World::start().await;
    world.load.rate(30);
    world.run(RATE);
    world.until_told(&["scaled once"]).await;
    world.assert_told("start").await;

    // More load than three replicas are for: up, and after a minute at the maximum people are told.
    world.load.rate(250);
    world.until_told(&["scaled once", "at_max opened"]).await;
    world.assert_told("load_up").await;

    world.load.rate(30);
    world.until_told(&["scaled once", "at_max closed"]).await;
    world.assert_told("load_down").await;
    world.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn people_are_told_why_the_load_is_unknown_and_when_it_is_known_again() {
    let mut world = World::start().await;
    world.load.rate(30);
    world.run(RATE);
    world.until_told(&["scaled once"]).await;
    let is_usual = |rate| (20.0..40.0).contains(&rate);
    world.prometheus.wait_for_value(RATE, is_usual).await;
    world.stop();
    world.forget().await;

    world.run(NOTHING);
    world
        .until_told(&["policy_changed once", "scaled once", "fallback opened"])
        .await;
    world.assert_told("wrong_query").await;
    world.stop();
    world.run(RATE);
    world
        .until_told(&["policy_changed once", "recovered closed", "scaled once"])
        .await;
    world.assert_told("right_query").await;

    world.prometheus.kill();
    world.until_told(&["scaled once", "fallback opened"]).await;
    world.assert_told("prometheus_killed").await;
    world.prometheus.start_again().await;
    world.targets.clear();
    world.until_told(&["recovered closed", "scaled once"]).await;
    world.assert_told("prometheus_back").await;
    world.stop();
}
