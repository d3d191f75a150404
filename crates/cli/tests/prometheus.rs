//! The whole way on real parts: a real Prometheus scrapes real replicas of the demo service, and `headroom run --once`
//! scales them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod demo_service;

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
    time::Duration,
};

use demo_service::{Load, ports};
use headroom_test_support::{Job, LeftoverCheck, Prometheus, install_tls, temp_dir, wait_until};
use tokio::time::{Instant, sleep};

const WINDOW: Duration = Duration::from_secs(5);
const SPACING: Duration = Duration::from_secs(2);
const MINUTE: Duration = Duration::from_secs(60);

/// A policy over a real Prometheus and real processes, in a directory of its own.
struct World {
    _directory: tempfile::TempDir,
    path: PathBuf,
    mark: LeftoverCheck,
    prometheus: Prometheus,
    load: Load,
}

impl World {
    async fn start() -> Self {
        install_tls();
        let directory = temp_dir();
        let path = directory.path().to_owned();
        let prometheus = Prometheus::builder().job(Job::new("web")).start().await;
        let policy = format!(
            r#"
            [prometheus.main]
            url = "{url}"
            scrape_interval = "1s"

            [workload.web]
            min_replicas = 1
            max_replicas = 6
            interval = "2s"
            process = {{ command = ['{program}', "demo", "service", "--startup-millis", "100"], ready = {{ http = "/healthz" }}, drain = "2s" }}
            scale_down = {{ stabilization = "{window}s" }}

            [workload.web.metrics.request_rate]
            query = 'sum(rate(http_requests_total{{job="web"}}[4s]))'
            coverage = 'count(up{{job="web"}} == 1)'
            per_replica = 50
            max_age = "10s"
            "#,
            url = prometheus.url(),
            program = env!("CARGO_BIN_EXE_headroom"),
            window = WINDOW.as_secs(),
        );
        fs::write(path.join("headroom.toml"), policy).unwrap();
        let load = Load::start();
        Self {
            _directory: directory,
            path,
            mark: LeftoverCheck::new(),
            prometheus,
            load,
        }
    }

    /// One pass, after the replicas that are up have been told to Prometheus and the load.
    async fn pass(&mut self) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_headroom"));
        command
            .args(["run", "--once"])
            .current_dir(&self.path)
            .stdin(Stdio::null());
        command.env_remove("HEADROOM_CONFIG").env_remove("DEBUG");
        self.mark.mark(&mut command);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        let ports = self.ports();
        self.prometheus
            .set_targets("web", ports.iter().map(|port| format!("127.0.0.1:{port}")))
            .await;
        self.load.to(ports);
        output
    }

    /// The ports of the replicas that are alive.
    fn ports(&self) -> Vec<u16> {
        ports(&self.mark)
    }

    /// Whether a pass with several replicas held them because of what the window had asked for.
    fn held_for_its_window(&self) -> bool {
        let mut command = Command::new(env!("CARGO_BIN_EXE_headroom"));
        command
            .args(["history", "--format", "json"])
            .current_dir(&self.path)
            .stdin(Stdio::null());
        let history: serde_json::Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
        history["rows"].as_array().unwrap().iter().any(|row| {
            let decision = &row["decision"];
            decision["reason"] == "stabilizing" && decision["current"].as_u64() >= Some(4)
        })
    }

    /// Passes as cron would make them, until `done` holds for what one said and the replicas that are left.
    async fn passes_until(&mut self, what: &str, mut done: impl FnMut(&Output, usize) -> bool) {
        let deadline = Instant::now() + MINUTE;
        loop {
            let next = Instant::now() + SPACING;
            let output = self.pass().await;
            if done(&output, self.ports().len()) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{what}: not within a minute; {}",
                said(&output)
            );
            tokio::time::sleep_until(next).await;
        }
    }
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!(
        "{}\n{}\n{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn replicas_follow_the_load_and_a_dead_prometheus_lowers_nothing() {
    let mut world = World::start().await;

    // Nothing was ever started: the minimum comes at once.
    let first = world.pass().await;
    wait_until(MINUTE, "the first replica is up", async || {
        world.ports().len() == 1
    })
    .await;
    assert!(
        String::from_utf8_lossy(&first.stderr).contains("no memory"),
        "{}",
        said(&first)
    );

    // Load goes up, and so do the replicas.
    world.load.rate(180);
    world
        .passes_until("180 requests per second need 4 replicas", |_, replicas| {
            replicas >= 4
        })
        .await;

    // Load goes down. The count holds for the window, then comes down.
    world.load.rate(10);
    let fell = Instant::now();
    world
        .passes_until("10 requests per second need 1 replica", |_, replicas| {
            replicas == 1
        })
        .await;
    assert!(world.held_for_its_window(), "it never held for the window");
    assert!(
        fell.elapsed() >= WINDOW,
        "it came down before the window was over"
    );

    // Up again; then Prometheus is killed. Nothing scales down, and the exit code says that the pass was blind.
    world.load.rate(180);
    world
        .passes_until("4 replicas again", |_, replicas| replicas >= 4)
        .await;
    world.load.rate(10);
    world.prometheus.kill();
    for _ in 0..4 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_headroom"));
        command
            .args(["run", "--once"])
            .current_dir(&world.path)
            .stdin(Stdio::null());
        command.env_remove("HEADROOM_CONFIG").env_remove("DEBUG");
        world.mark.mark(&mut command);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{}", said(&output));
        assert!(
            world.ports().len() >= 4,
            "it scaled down while blind: {}",
            said(&output)
        );
        // Passes are two seconds apart, as cron would have them.
        sleep(SPACING).await;
    }
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_range_that_is_short_for_how_often_its_job_is_scraped_is_to_be_looked_at() {
    install_tls();
    let directory = temp_dir();
    let mut prometheus = Prometheus::builder().job(Job::new("self")).start().await;
    let url = prometheus.url();
    let address = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    prometheus.set_targets("self", [address]).await;
    let policy = format!(
        r#"
        [prometheus.main]
        url = "{url}"

        [workload.web]
        min_replicas = 1
        max_replicas = 6
        command = {{ get = ["echo", "2"], set = ["true", "{{replicas}}"] }}
        metrics.rate = {{ query = "sum(rate(prometheus_http_requests_total[3s]))", per_replica = 50 }}
        metrics.enough = {{ query = "sum(rate(prometheus_http_requests_total[4s]))", per_replica = 50 }}
        "#
    );
    fs::write(directory.path().join("headroom.toml"), policy).unwrap();
    prometheus
        .wait_for_value("count(rate(prometheus_http_requests_total[3s])) > 0", |count| {
            count > 0.0
        })
        .await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_headroom"));
    command
        .args(["check", "--live"])
        .current_dir(directory.path())
        .stdin(Stdio::null())
        .env_remove("HEADROOM_CONFIG");
    let output = command.output().unwrap();
    let said = said(&output);
    let expected = "range   prometheus_http_requests_total[3s] has room for 3 scrapes of the job `self`, every 1 s, and with \
                    fewer than four one that is late or lost leaves a gap: make the range 4 s or longer, or scrape more often";
    assert!(said.contains(expected), "{said}");
    assert_eq!(said.matches("has room for").count(), 1, "{said}");
    assert_eq!(output.status.code(), Some(0), "{said}");
}
