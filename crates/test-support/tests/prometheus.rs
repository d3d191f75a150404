//! The real Prometheus, started, asked, stopped, and started again.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::{path::Path, time::Duration};

use headroom_test_support::{Job, Process, Prometheus, free_port};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Answers every request with one gauge.
struct Exporter {
    address: String,
    server: JoinHandle<()>,
}

impl Exporter {
    async fn start(gauge: f64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(async move {
            // Each connection for itself: a scrape that was given up leaves one on which nothing is ever asked.
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, gauge));
            }
        });
        Self { address, server }
    }
}

async fn answer(mut stream: TcpStream, gauge: f64) {
    let mut request = [0; 4096];
    drop(stream.read(&mut request).await);
    let body = format!("load {gauge}\n");
    let length = body.len();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close";
    let answer = format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}");
    drop(stream.write_all(answer.as_bytes()).await);
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn fast() -> Duration {
    Duration::from_millis(200)
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn scrapes_its_targets_and_is_gone_when_dropped() {
    let exporter = Exporter::start(3.5).await;
    let prometheus = Prometheus::builder()
        .scrape_interval(fast())
        .job(
            Job::new("web")
                .targets([&exporter.address])
                .label("namespace", "shop"),
        )
        .start()
        .await;
    prometheus
        .wait_for_value(r#"up{job="web",namespace="shop"}"#, |up| up == 1.0)
        .await;
    assert_eq!(prometheus.value("sum(load)").await, Some(3.5));
    assert_eq!(prometheus.value("load_of_nothing").await, None);

    let process = format!("/proc/{}", prometheus.pid().unwrap());
    assert!(Path::new(&process).exists());
    drop(prometheus);
    assert!(!Path::new(&process).exists());
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn starts_again_with_its_port_and_data() {
    let exporter = Exporter::start(1.0).await;
    let mut prometheus = Prometheus::builder()
        .scrape_interval(fast())
        .job(Job::new("web").targets([&exporter.address]))
        .start()
        .await;
    prometheus
        .wait_for_value("count_over_time(load[5m])", |count| count >= 3.0)
        .await;
    let url = prometheus.url();

    prometheus.stop();
    assert_eq!(prometheus.pid(), None);
    drop(exporter); // What is found from now on was found before.
    prometheus.start_again().await;
    assert_eq!(prometheus.url(), url);
    prometheus
        .wait_for_value("count_over_time(load[5m])", |count| count >= 3.0)
        .await;
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn targets_change_while_it_runs() {
    let [first, second] = [Exporter::start(1.0).await, Exporter::start(2.0).await];
    let mut prometheus = Prometheus::builder()
        .scrape_interval(fast())
        .job(Job::new("web").targets([&first.address]))
        .start()
        .await;
    prometheus.wait_for_value("sum(load)", |sum| sum == 1.0).await;
    prometheus
        .set_targets("web", [&first.address, &second.address])
        .await;
    prometheus.wait_for_value("sum(load)", |sum| sum == 3.0).await;
    prometheus.set_targets("web", [&second.address]).await;
    prometheus.wait_for_value("sum(load)", |sum| sum == 2.0).await;
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn evaluates_rules_and_knows_the_past_it_was_given() {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let mut history = String::from("# TYPE sold gauge\n");
    for age in (0..120).rev() {
        history.push_str(&format!("sold 7 {}\n", now - age * 60));
    }
    history.push_str("# EOF\n");
    let prometheus = Prometheus::builder()
        .scrape_interval(fast())
        .rules("groups: [{name: g, rules: [{record: 'shop:answer_total', expr: 'vector(42)'}]}]")
        .history(&history)
        .start()
        .await;
    prometheus
        .wait_for_value("shop:answer_total", |value| value == 42.0)
        .await;
    assert_eq!(
        prometheus.value("sum_over_time(sold[100m] offset 10m)").await,
        Some(700.0)
    );
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
#[should_panic(expected = "unknown_field")]
async fn a_config_that_it_refuses_fails_the_test_with_its_words() {
    Prometheus::builder().config("unknown_field: 1").start().await;
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_process_is_awaited_by_its_url() {
    let port = free_port();
    let folder = headroom_test_support::temp_dir();
    let empty = folder.path().join("prometheus.yml");
    std::fs::write(&empty, "{}").unwrap();
    let mut command = std::process::Command::new(Prometheus::promtool_path().with_file_name("prometheus"));
    command
        .current_dir(folder.path())
        .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
        .arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let mut process = Process::start("prometheus by hand", &mut command);
    process
        .wait_until_answers(
            &format!("http://127.0.0.1:{port}/-/ready"),
            Duration::from_secs(30),
        )
        .await;
    assert!(process.stop().unwrap().success());
}
