//! Starting the servers of the Prometheus project, which listen, say so, and are ready in the same way.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    Process, free_port,
    process::{answers, http_client},
    wait_for,
};

/// How long it may take to answer after it was started: replaying its log takes a while on a busy machine.
const START: Duration = Duration::from_secs(60);
/// How often another port is tried where the picked one was taken meanwhile.
const PORTS: usize = 5;

/// Starts what `command` makes for a port, on one that the system picks.
///
/// # Panics
///
/// When it does not answer in time.
pub(crate) async fn launch_anywhere(name: &str, command: impl Fn(u16) -> Command) -> (Process, u16) {
    let mut tries = 1;
    loop {
        let port = free_port();
        match launch(name, port, command(port)).await {
            Ok(process) => return (process, port),
            Err(refusal) if refusal.port_is_taken() && tries < PORTS => tries += 1,
            Err(refusal) => refusal.fail(name),
        }
    }
}

/// Starts what `command` makes on a port that it had before.
///
/// # Panics
///
/// When it does not answer in time.
pub(crate) async fn launch_at(name: &str, port: u16, command: impl Fn() -> Command) -> Process {
    let end = Instant::now() + START;
    loop {
        match launch(name, port, command()).await {
            Ok(process) => return process,
            // Some connection of the machine has the port by chance, and will give it back.
            Err(refusal) if refusal.port_is_taken() && Instant::now() < end => {}
            Err(refusal) => refusal.fail(name),
        }
    }
}

/// A start that came to nothing.
#[derive(Debug)]
struct Refusal {
    log: String,
}

impl Refusal {
    fn port_is_taken(&self) -> bool {
        self.log.contains("address already in use")
    }

    #[expect(clippy::panic, reason = "without its server the test cannot run")]
    fn fail(&self, name: &str) -> ! {
        panic!("{name} did not start:\n{}", self.log)
    }
}

/// Starts the process and waits until it is ready. What it says before it ends too soon is the error.
async fn launch(name: &str, port: u16, mut command: Command) -> Result<Process, Refusal> {
    let mut process = Process::start(name, &mut command);
    let client = http_client();
    let url = format!("http://127.0.0.1:{port}/-/ready");
    let ready = wait_for(START, &format!("{name} is ready"), async || {
        if process.exit_status().is_some() {
            return Some(false);
        }
        // Its own word that it listens: on a port that was taken meanwhile, another server would answer.
        let ready = process.stderr().contains("Listening on") && answers(&client, &url).await;
        ready.then_some(true)
    })
    .await;
    if ready {
        Ok(process)
    } else {
        Err(Refusal {
            log: process.stderr(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, net::TcpListener};

    use super::*;
    use crate::servers::{PROMETHEUS, built};

    #[tokio::test]
    #[ignore = "needs the real servers: run `cargo xtask test`"]
    async fn a_port_that_was_taken_meanwhile_is_told_from_other_failures() {
        let directory = crate::temp_dir();
        let config = directory.path().join("prometheus.yml");
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let start = async || {
            let mut command = Command::new(built(|servers| servers.binary(&PROMETHEUS, "prometheus")));
            command
                .current_dir(directory.path())
                .arg(format!("--web.listen-address=127.0.0.1:{port}"));
            launch("prometheus", port, command).await.map(drop).unwrap_err()
        };

        fs::write(&config, "{}").unwrap();
        let refusal = start().await;
        assert!(refusal.port_is_taken(), "{}", refusal.log);

        fs::write(&config, "no: config").unwrap();
        let refusal = start().await;
        assert!(!refusal.port_is_taken(), "{}", refusal.log);
    }
}
