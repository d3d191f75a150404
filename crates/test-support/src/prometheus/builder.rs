//! What a Prometheus is started with: its jobs, rules and past, and the files that say so.

use std::{
    fs, io,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use super::{Prometheus, binary};
use crate::temp_dir;

/// A job of the config: what is scraped under one name.
#[derive(Clone, Debug)]
pub struct Job {
    pub(super) name: String,
    pub(super) targets: Vec<String>,
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
    pub(super) fn new() -> Self {
        Self {
            scrape_interval: Duration::from_secs(1),
            jobs: Vec::new(),
            rules: Vec::new(),
            config: None,
            history: None,
            arguments: Vec::new(),
        }
    }

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
        Prometheus::start(directory, self.jobs, self.arguments).await
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
pub(super) fn write_targets(directory: &Path, job: &Job) {
    let path = directory.join(format!("targets/{}.json", job.name));
    let fresh = path.with_extension("new");
    write(&fresh, &job.target_file().to_string());
    must("rename", "a file of targets", fs::rename(&fresh, &path));
}

fn write(path: &Path, text: &str) {
    must("write", &path.to_string_lossy(), fs::write(path, text));
}

#[expect(clippy::panic, reason = "without its files the test cannot run")]
fn must(what: &str, path: &str, result: io::Result<()>) {
    if let Err(error) = result {
        panic!("could not {what} {path}: {error}");
    }
}
