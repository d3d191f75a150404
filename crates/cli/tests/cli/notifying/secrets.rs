//! What is secret is said nowhere: whatever fails, however much is to be said, and not in the state.

use std::{fs, io::Write as _, net::TcpListener, path::Path, process::Command, thread};

use headroom_test_support::ClosedPort;
use wiremock::{Mock, ResponseTemplate, matchers::path};

use super::{CHANNELS, NAMES, Told};

/// Parts of the variables of [`Told::command`] and of the mail server that nobody may see.
const SECRETS: [&str; 9] = [
    "hook-path",
    "xoxb-4a5d0c7b",
    "bus-path",
    "whsec-4a5d0c7b",
    "bus-token-4a5d0c7b",
    "pager-key-4a5d0c7b",
    "alerts-path",
    "heartbeat-path",
    "smtp-password-4a5d0c7b",
];

/// What each receiver knows, and may repeat.
const KNOWN: [(&str, &[&str]); 6] = [
    ("/services/T0/B0/hook-path", &["hook-path"]),
    ("/api/chat.postMessage", &["xoxb-4a5d0c7b"]),
    (
        "/bus/bus-path",
        &["bus-path", "whsec-4a5d0c7b", "bus-token-4a5d0c7b"],
    ),
    ("/v2/enqueue", &["pager-key-4a5d0c7b"]),
    ("/alerts-path/api/v2/alerts", &["alerts-path"]),
    ("/ping/heartbeat-path", &["heartbeat-path"]),
];

/// Every receiver answers with `status`, and repeats all that it knows.
async fn rude_receivers(told: &Told, status: u16) {
    for (at, known) in KNOWN {
        let text = known.join(" ");
        let answer = ResponseTemplate::new(status)
            .set_body_string(format!("no: {text}"))
            .insert_header("x-secret", text);
        Mock::given(path(at))
            .respond_with(answer)
            .mount(&told.server)
            .await;
    }
}

const MAIL_AND_HEARTBEAT: &str = r#"
[notify]
heartbeat = "env:HEARTBEAT_URL"
allow_http = true

[notify.email.oncall]
smtp = "env:SMTP_URL"
from = "headroom@example.com"
to = "ada@example.com"
allow_plaintext = true
"#;

/// What is run, and what everything is said with.
const COMMANDS: [&[&str]; 14] = [
    &["run", "--once", "--verbose"],
    &["run", "--once", "--format", "json"],
    &["run", "--once"],
    &["notify", "test", "--verbose"],
    &["notify", "test", "--format", "json"],
    &["notify", "test", "--event", "error", "--print"],
    &["notify", "status", "--verbose"],
    &["notify", "status", "--format", "json"],
    &["config", "show", "--verbose"],
    &["check", "--verbose"],
    &["plan", "--verbose"],
    &["explain", "api", "--verbose"],
    &["history", "--format", "json"],
    &["status", "--format", "json"],
];

async fn world() -> Told {
    let names: Vec<&str> = NAMES.into_iter().chain(["email.oncall"]).collect();
    let told = Told::start(&names, &format!("{CHANNELS}{MAIL_AND_HEARTBEAT}")).await;
    // The first pass changes the count, and the second cannot: that is urgent.
    told.world
        .write("set.sh", "[ -e set ] && exit 3; touch set; echo \"$1\" > count\n");
    told
}

/// Runs everything, with `environment` in each command, and looks for secrets in all that comes of it.
async fn check(told: &Told, environment: impl Fn(&mut Command)) {
    for arguments in COMMANDS {
        let mut command = told.command(arguments);
        command.env("DEBUG", "1");
        environment(&mut command);
        told.world.write("count", "2\n");
        let said = told.world.finished(command).await.to_string();
        for secret in SECRETS {
            assert!(
                !said.contains(secret),
                "`{secret}` is said by {arguments:?}:\n{said}"
            );
        }
    }
    let searched = search(&told.world.path().join(".headroom"));
    assert!(
        searched > 10_000,
        "there is a state with notices in it: {searched} bytes"
    );
}

/// Looks for secrets in every file of a directory. So many bytes were looked at.
fn search(directory: &Path) -> usize {
    let mut searched = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            searched += search(&path);
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        searched += bytes.len();
        for secret in SECRETS {
            let is_there = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!is_there, "`{secret}` is in {}", path.display());
        }
    }
    searched
}

/// A mail server that greets with a password.
fn rude_mail_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            // Whoever asked may be gone.
            let _ = writeln!(stream.unwrap(), "554 no smtp-password-4a5d0c7b\r");
        }
    });
    port
}

fn smtp(port: u16) -> String {
    format!("smtp://ops:smtp-password-4a5d0c7b@127.0.0.1:{port}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receivers_that_repeat_what_is_secret_are_not_repeated() {
    let told = world().await;
    rude_receivers(&told, 500).await;
    let port = rude_mail_server();
    check(&told, |command| {
        command.env("SMTP_URL", smtp(port));
    })
    .await;
    assert!(!told.paths().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receivers_that_refuse_for_good_are_not_repeated() {
    let told = world().await;
    rude_receivers(&told, 400).await;
    let port = rude_mail_server();
    check(&told, |command| {
        command.env("SMTP_URL", smtp(port));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_reached_is_said_without_what_is_secret() {
    let told = world().await;
    let closed = ClosedPort::new();
    let at = |path: &str| format!("{}{path}", closed.url());
    let policy = told
        .world
        .read("headroom.toml")
        .replace(&told.server.uri(), &at(""));
    told.world.write("headroom.toml", &policy);
    check(&told, |command| {
        command
            .env("SLACK_HOOK", at("/services/hook-path"))
            .env("BUS_URL", at("/bus/bus-path"))
            .env("PAGER_URL", at("/v2"))
            .env("ALERTS_URL", at("/alerts-path"))
            .env("HEARTBEAT_URL", at("/heartbeat-path"))
            .env("SMTP_URL", smtp(closed.port()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_that_are_none_are_said_without_what_is_secret() {
    let told = world().await;
    check(&told, |command| {
        command
            .env("SLACK_HOOK", "hooks.slack.com/services/hook-path")
            .env("SLACK_TOKEN", "xoxb-4a5d0c7b\nof two lines")
            .env("BUS_URL", "http://[bus-path")
            .env("BUS_AUTHORIZATION", "bus-token-4a5d0c7b\n")
            .env("PAGER_URL", "ftp://127.0.0.1/v2")
            .env("ALERTS_URL", "http://user:alerts-path@:99999/")
            .env("HEARTBEAT_URL", "heartbeat-path")
            .env("SMTP_URL", "smtp://ops:smtp-password-4a5d0c7b@[::");
    })
    .await;
}
