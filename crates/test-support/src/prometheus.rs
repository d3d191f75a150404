//! The real Prometheus, scraping what a test names.
//!
//! Owns its config file, its data and its process. Targets come from files that it watches, so that a test can change
//! them while it runs; it can be stopped and started again with the same port and data.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    Process, free_port,
    process::{answers, http_client},
    servers::{PROMETHEUS, Servers, ServersError},
    temp_dir, wait_for, wait_until,
};

/// How long it may take to answer after it was started: replaying its log takes a while on a busy machine.
const START: Duration = Duration::from_secs(60);
/// How long a condition on its answers is waited for.
const WAIT: Duration = Duration::from_secs(60);
/// How often another port is tried where the picked one was taken meanwhile.
const PORTS: usize = 5;

/// A job of the config: what is scraped under one name.
#[derive(Clone, Debug)]
pub struct Job {
    name: String,
    targets: Vec<String>,
    metrics_path: String,
    labels: Vec<(String, String)>,
}

impl Job {
    /// A job without targets, scraped at `/metrics`.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            targets: Vec::new(),
            metrics_path: "/metrics".to_owned(),
            labels: Vec::new(),
        }
    }

    /// Scrapes these, each `host:port`.
    #[must_use]
    pub fn targets<T: ToString>(mut self, targets: impl IntoIterator<Item = T>) -> Self {
        self.targets = targets.into_iter().map(|target| target.to_string()).collect();
        self
    }

    /// Scrapes at another path than `/metrics`.
    #[must_use]
    pub fn metrics_path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.metrics_path);
        self
    }

    /// Puts a label on every series of the job.
    #[must_use]
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The file of targets that Prometheus watches, in its own format.
    fn target_file(&self) -> Value {
        let labels: serde_json::Map<String, Value> = self
            .labels
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        json!([{ "targets": self.targets, "labels": labels }])
    }
}

/// What a [`Prometheus`] is started with.
#[derive(Clone, Debug)]
pub struct PrometheusBuilder {
    scrape_interval: Duration,
    jobs: Vec<Job>,
    rules: Vec<String>,
    config: Option<String>,
    history: Option<String>,
    arguments: Vec<String>,
}

impl PrometheusBuilder {
    /// How often it scrapes and evaluates rules, in whole milliseconds; by default once a second.
    #[must_use]
    pub fn scrape_interval(mut self, interval: Duration) -> Self {
        self.scrape_interval = interval;
        self
    }

    /// Scrapes another job.
    #[must_use]
    pub fn job(mut self, job: Job) -> Self {
        self.jobs.push(job);
        self
    }

    /// Loads another file of recording or alerting rules with this text.
    #[must_use]
    pub fn rules(mut self, text: &str) -> Self {
        self.rules.push(text.to_owned());
        self
    }

    /// Uses this text as the config file, in place of the interval, jobs and rules given here.
    #[must_use]
    pub fn config(mut self, text: &str) -> Self {
        self.config = Some(text.to_owned());
        self
    }

    /// Starts with this past: OpenMetrics text with timestamps in seconds, ended by `# EOF`.
    #[must_use]
    pub fn history(mut self, open_metrics: &str) -> Self {
        self.history = Some(open_metrics.to_owned());
        self
    }

    /// Another argument on the command line, such as `--query.lookback-delta=5s`.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Starts it, and waits until it answers and has found its targets.
    ///
    /// # Panics
    ///
    /// When it has not been built (`cargo xtask servers` does), refuses the config, or does not answer in time.
    pub async fn start(self) -> Prometheus {
        let directory = temp_dir();
        self.write_files(directory.path());
        if let Some(history) = &self.history {
            import(history, directory.path());
        }
        let mut port = free_port();
        let mut tries = 1;
        let process = loop {
            match launch(directory.path(), port, &self.arguments).await {
                Ok(process) => break process,
                Err(refusal) if refusal.port_is_taken() && tries < PORTS => {
                    tries += 1;
                    port = free_port();
                }
                Err(refusal) => refusal.fail(),
            }
        };
        let prometheus = Prometheus {
            process: Some(process),
            port,
            jobs: self.jobs,
            arguments: self.arguments,
            client: http_client(),
            directory,
        };
        prometheus.wait_for_targets().await;
        prometheus
    }

    fn write_files(&self, directory: &Path) {
        for name in ["targets", "rules"] {
            must("create", name, fs::create_dir(directory.join(name)));
        }
        for job in &self.jobs {
            write_targets(directory, job);
        }
        for (number, text) in self.rules.iter().enumerate() {
            write(&directory.join(format!("rules/{number}.yml")), text);
        }
        let config = self.config.clone().unwrap_or_else(|| self.generated_config());
        write(&directory.join("prometheus.yml"), &config);
    }

    /// JSON, which is YAML too.
    fn generated_config(&self) -> String {
        let interval = format!("{}ms", self.scrape_interval.as_millis());
        let jobs: Vec<Value> = self
            .jobs
            .iter()
            .map(|job| {
                json!({
                    "job_name": job.name,
                    "metrics_path": job.metrics_path,
                    "file_sd_configs": [{
                        "files": [format!("targets/{}.json", job.name)],
                        "refresh_interval": "1s",
                    }],
                })
            })
            .collect();
        json!({
            "global": {
                "scrape_interval": interval,
                "scrape_timeout": interval,
                "evaluation_interval": interval,
            },
            "rule_files": ["rules/*.yml"],
            "scrape_configs": jobs,
        })
        .to_string()
    }
}

/// A running Prometheus with data of its own. Dropping it stops it and removes the data.
#[derive(Debug)]
pub struct Prometheus {
    // Before the directory, so that the process is gone when its data is removed.
    process: Option<Process>,
    port: u16,
    jobs: Vec<Job>,
    arguments: Vec<String>,
    client: reqwest::Client,
    directory: TempDir,
}

impl Prometheus {
    /// One that scrapes nothing yet, once a second.
    pub fn builder() -> PrometheusBuilder {
        PrometheusBuilder {
            scrape_interval: Duration::from_secs(1),
            jobs: Vec::new(),
            rules: Vec::new(),
            config: None,
            history: None,
            arguments: Vec::new(),
        }
    }

    /// Its address, such as `http://127.0.0.1:34567`. It stays the same when it is started again.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The id of its process while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// What it logged since it was started last; nothing while it is stopped.
    pub fn log(&self) -> String {
        self.process.as_ref().map(Process::stderr).unwrap_or_default()
    }

    /// The path of promtool.
    ///
    /// # Panics
    ///
    /// When it has not been built.
    pub fn promtool_path() -> PathBuf {
        binary("promtool")
    }

    /// Stops it. Its data stays, and so does its port. Does nothing while it is stopped.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.stop();
        }
    }

    /// Kills it, as a crash would. Its data stays, and so does its port.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Starts it again after [`Prometheus::stop`], with the same port and data, and waits until it answers.
    ///
    /// # Panics
    ///
    /// When it does not answer in time.
    pub async fn start_again(&mut self) {
        self.stop();
        let end = Instant::now() + START;
        let process = loop {
            match launch(self.directory.path(), self.port, &self.arguments).await {
                Ok(process) => break process,
                // Some connection of the machine has the port by chance, and will give it back.
                Err(refusal) if refusal.port_is_taken() && Instant::now() < end => {}
                Err(refusal) => refusal.fail(),
            }
        };
        self.process = Some(process);
        self.wait_for_targets().await;
    }

    /// Scrapes these targets, each `host:port`, under `job` from now on, and waits until Prometheus has noticed.
    ///
    /// # Panics
    ///
    /// When no such job was built in, or Prometheus does not notice in time.
    #[expect(clippy::panic, reason = "a job that is not there is a mistake of the test")]
    pub async fn set_targets<T: ToString>(&mut self, job: &str, targets: impl IntoIterator<Item = T>) {
        let Some(job) = self.jobs.iter_mut().find(|known| known.name == job) else {
            panic!("no job is called {job}");
        };
        job.targets = targets.into_iter().map(|target| target.to_string()).collect();
        write_targets(self.directory.path(), job);
        self.wait_for_targets().await;
    }

    /// The `data.result` of an instant query.
    ///
    /// # Panics
    ///
    /// When Prometheus does not answer, or refuses the query.
    #[expect(clippy::panic, reason = "a query that cannot be asked fails the test")]
    pub async fn query(&self, promql: &str) -> Value {
        self.try_query(promql)
            .await
            .unwrap_or_else(|problem| panic!("query {promql}: {problem}"))
    }

    /// The value of a query that finds one series or a scalar; nothing where it finds none or several.
    ///
    /// # Panics
    ///
    /// When Prometheus does not answer, or refuses the query.
    pub async fn value(&self, promql: &str) -> Option<f64> {
        one_value(&self.query(promql).await)
    }

    /// Asks again until `predicate` holds for the `data.result` of the query, and returns that.
    ///
    /// # Panics
    ///
    /// When it does not hold within a minute; the message has the last answer.
    pub async fn wait_for(&self, promql: &str, mut predicate: impl FnMut(&Value) -> bool) -> Value {
        let end = Instant::now() + WAIT;
        let mut last = Err("not asked yet".to_owned());
        let what = format!("an answer to {promql} as the test wants it");
        wait_for(WAIT * 2, &what, async || {
            last = self.try_query(promql).await;
            if let Ok(result) = &last
                && predicate(result)
            {
                return Some(result.clone());
            }
            assert!(
                Instant::now() < end,
                "not within {WAIT:?}: {what}; the last was {last:?}"
            );
            None
        })
        .await
    }

    /// Asks again until the query finds one value for which `predicate` holds, and returns the value.
    ///
    /// # Panics
    ///
    /// When it does not within a minute; the message has the last answer.
    pub async fn wait_for_value(&self, promql: &str, mut predicate: impl FnMut(f64) -> bool) -> f64 {
        let result = self
            .wait_for(promql, |result| one_value(result).is_some_and(&mut predicate))
            .await;
        one_value(&result).unwrap_or(f64::NAN)
    }

    async fn try_query(&self, promql: &str) -> Result<Value, String> {
        let url =
            reqwest::Url::parse_with_params(&format!("{}/api/v1/query", self.url()), [("query", promql)])
                .map_err(|error| error.to_string())?;
        let body = self.get(url.as_str()).await?;
        body.pointer("/data/result")
            .cloned()
            .ok_or_else(|| body.to_string())
    }

    async fn get(&self, url: &str) -> Result<Value, String> {
        let describe = |error: reqwest::Error| format!("{error:?}");
        self.client
            .get(url)
            .send()
            .await
            .map_err(describe)?
            .json()
            .await
            .map_err(describe)
    }

    /// Waits until it scrapes just what the files of targets name.
    async fn wait_for_targets(&self) {
        let url = format!("{}/api/v1/targets?state=active", self.url());
        for job in &self.jobs {
            let wanted: BTreeSet<&str> = job.targets.iter().map(String::as_str).collect();
            let what = format!("{} scrapes {wanted:?} as {}", self.url(), job.name);
            wait_until(WAIT, &what, async || match self.get(&url).await {
                Ok(body) => active(&body, &job.name) == wanted,
                Err(_) => false,
            })
            .await;
        }
    }
}

/// The addresses that an answer of the targets API names under one job.
fn active<'b>(body: &'b Value, job: &str) -> BTreeSet<&'b str> {
    let targets = body.pointer("/data/activeTargets").and_then(Value::as_array);
    targets
        .into_iter()
        .flatten()
        .filter(|target| target.pointer("/scrapePool").and_then(Value::as_str) == Some(job))
        .filter_map(|target| target.pointer("/discoveredLabels/__address__")?.as_str())
        .collect()
}

/// The number in a result that is a scalar, or a vector of one series.
fn one_value(result: &Value) -> Option<f64> {
    let text = match result.as_array()?.as_slice() {
        [series] => series.pointer("/value/1")?,
        [time, scalar] if time.is_number() => scalar,
        _ => return None,
    };
    text.as_str()?.parse().ok()
}

/// A start that came to nothing.
struct Refusal {
    log: String,
}

impl Refusal {
    fn port_is_taken(&self) -> bool {
        self.log.contains("address already in use")
    }

    #[expect(clippy::panic, reason = "without its server the test cannot run")]
    fn fail(&self) -> ! {
        panic!("Prometheus did not start:\n{}", self.log)
    }
}

/// Starts the process and waits until it is ready. What it says before it ends too soon is the error.
async fn launch(directory: &Path, port: u16, arguments: &[String]) -> Result<Process, Refusal> {
    let mut command = Command::new(binary("prometheus"));
    command
        .current_dir(directory)
        .arg("--config.file=prometheus.yml")
        .arg("--storage.tsdb.path=data")
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .args(["--web.enable-lifecycle", "--web.enable-admin-api"])
        // Changed targets count at once; by default it looks every five seconds.
        .arg("--scrape.discovery-reload-interval=100ms")
        .args(arguments);
    let mut process = Process::start("prometheus", &mut command);
    let client = http_client();
    let url = format!("http://127.0.0.1:{port}/-/ready");
    let ready = wait_for(START, "Prometheus is ready", async || {
        if process.exit_status().is_some() {
            return Some(false);
        }
        // Its own word that it listens: on a port that was taken meanwhile, another server would answer.
        let ready = process.stderr().contains("Listening on") && answers(&client, &url).await;
        ready.then_some(true)
    })
    .await;
    if ready && process.exit_status().is_none() {
        Ok(process)
    } else {
        Err(Refusal {
            log: process.stderr(),
        })
    }
}

/// Turns OpenMetrics text into blocks of the database.
#[expect(clippy::panic, reason = "without its data the test cannot run")]
fn import(open_metrics: &str, directory: &Path) {
    let file = directory.join("history.txt");
    write(&file, open_metrics);
    let output = Command::new(binary("promtool"))
        .current_dir(directory)
        .args(["tsdb", "create-blocks-from", "openmetrics", "history.txt", "data"])
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() => {}
        other => panic!("promtool could not import the history: {other:?}"),
    }
}

/// In one step, so that Prometheus never reads half a file.
fn write_targets(directory: &Path, job: &Job) {
    let path = directory.join(format!("targets/{}.json", job.name));
    let fresh = path.with_extension("new");
    write(&fresh, &job.target_file().to_string());
    must("rename", "a file of targets", fs::rename(&fresh, &path));
}

fn write(path: &Path, text: &str) {
    must("write", &path.to_string_lossy(), fs::write(path, text));
}

#[expect(clippy::panic, reason = "without its files the test cannot run")]
fn must(what: &str, path: &str, result: std::io::Result<()>) {
    if let Err(error) = result {
        panic!("could not {what} {path}: {error}");
    }
}

#[expect(clippy::panic, reason = "without its server the test cannot run")]
fn binary(name: &str) -> PathBuf {
    let found = Servers::of_this_machine().and_then(|servers| servers.binary(&PROMETHEUS, name));
    found.unwrap_or_else(|error: ServersError| {
        panic!("{error}\nhelp: {}", error.help().unwrap_or_default());
    })
}
