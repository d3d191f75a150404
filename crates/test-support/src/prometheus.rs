//! The real Prometheus, scraping what a test names.
//!
//! Owns its process and the questions to it; [`builder`] owns its files. Targets come from files that it watches, so that a test can change
//! them while it runs; it can be stopped and started again with the same port and data.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

mod builder;

use builder::write_targets;
pub use builder::{Job, PrometheusBuilder};

use crate::{
    Process,
    process::http_client,
    servers::{PROMETHEUS, built},
    wait_for_seen, wait_until, web,
};

/// How long a condition on its answers is waited for.
const WAIT: Duration = Duration::from_secs(60);

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
        PrometheusBuilder::new()
    }

    /// Starts one on the files in `directory`, on a port that the system picks.
    async fn start(directory: TempDir, jobs: Vec<Job>, arguments: Vec<String>) -> Self {
        let command = |port| command(directory.path(), port, &arguments);
        let (process, port) = web::launch_anywhere("prometheus", command).await;
        let client = http_client();
        let prometheus = Self {
            process: Some(process),
            port,
            jobs,
            arguments,
            client,
            directory,
        };
        prometheus.wait_for_targets().await;
        prometheus
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
        let command = || command(self.directory.path(), self.port, &self.arguments);
        let process = web::launch_at("prometheus", self.port, command).await;
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
        let what = format!("an answer to {promql} as the test wants it");
        wait_for_seen(WAIT, &what, async || match self.try_query(promql).await {
            Ok(result) if predicate(&result) => Ok(result),
            other => Err(format!("{other:?}")),
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

/// What starts it on the files in `directory`.
fn command(directory: &Path, port: u16, arguments: &[String]) -> Command {
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
    command
}

fn binary(name: &str) -> PathBuf {
    built(|servers| servers.binary(&PROMETHEUS, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_is_one_and_not_several() {
        let check = |result: &str, expected| {
            assert_eq!(
                one_value(&serde_json::from_str(result).unwrap()),
                expected,
                "{result}"
            );
        };
        check("[]", None);
        check(r#"[{"metric": {}, "value": [1.5, "2"]}]"#, Some(2.0));
        check(
            r#"[{"metric": {}, "value": [1.5, "2"]}, {"metric": {}, "value": [1.5, "3"]}]"#,
            None,
        );
        check(r#"[1.5, "4"]"#, Some(4.0));
    }
}
