//! The real Alertmanager, telling a receiver of the test's.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    Process,
    process::http_client,
    servers::{ALERTMANAGER, built},
    temp_dir, web,
};

/// A running Alertmanager with data of its own. Dropping it stops it and removes the data.
#[derive(Debug)]
pub struct Alertmanager {
    // Before the directory, so that the process is gone when its data is removed.
    process: Process,
    port: u16,
    directory: TempDir,
}

impl Alertmanager {
    /// Starts one that tells `receiver`, the URL of a webhook, of each alert by itself: at once of what fires, and a
    /// second after what was told last of what has changed since.
    ///
    /// # Panics
    ///
    /// When it has not been built (`cargo xtask servers` does), or does not answer in time.
    #[expect(clippy::expect_used, reason = "without its files the test cannot run")]
    pub async fn start(receiver: &str) -> Self {
        let directory = temp_dir();
        // JSON, which is YAML too.
        let config = json!({
            "route": {
                "receiver": "test",
                "group_by": ["..."],
                "group_wait": "0s",
                "group_interval": "1s",
            },
            "receivers": [{
                "name": "test",
                "webhook_configs": [{ "url": receiver, "send_resolved": true }],
            }],
        });
        let file = directory.path().join("alertmanager.yml");
        fs::write(&file, config.to_string()).expect("its config can be written");
        let command = |port| command(directory.path(), port);
        let (process, port) = web::launch_anywhere("alertmanager", command).await;
        Self {
            process,
            port,
            directory,
        }
    }

    /// Kills it and starts it again with the same port and nothing of what it knew, as where its pod moved.
    ///
    /// # Panics
    ///
    /// When it does not answer in time.
    #[expect(clippy::expect_used, reason = "without its files the test cannot run")]
    pub async fn start_anew(&mut self) {
        self.process.kill();
        fs::remove_dir_all(self.directory.path().join("data")).expect("its data can be removed");
        let command = || command(self.directory.path(), self.port);
        self.process = web::launch_at("alertmanager", self.port, command).await;
    }

    /// Its address, such as `http://127.0.0.1:34567`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it logged.
    pub fn log(&self) -> String {
        self.process.stderr()
    }

    /// The alerts that fire now, as its API v2 lists them.
    ///
    /// # Panics
    ///
    /// When it does not answer.
    #[expect(clippy::expect_used, reason = "a server that does not answer fails the test")]
    pub async fn firing(&self) -> Vec<Value> {
        let url = format!("{}/api/v2/alerts", self.url());
        let answer = http_client().get(url).send().await.expect("Alertmanager answers");
        answer.json().await.expect("a list of alerts")
    }
}

/// What starts it on the files in `directory`.
fn command(directory: &Path, port: u16) -> Command {
    let mut command = Command::new(built(|servers| servers.binary(&ALERTMANAGER, "alertmanager")));
    command
        .current_dir(directory)
        .args(["--config.file=alertmanager.yml", "--storage.path=data"])
        // Alone: it looks for no others, and listens to none.
        .arg("--cluster.listen-address=")
        .arg(format!("--web.listen-address=127.0.0.1:{port}"));
    command
}
