//! Mail by a real server, read by another library.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what fails here fails the test")]

#[path = "email/browser.rs"]
mod browser;
#[path = "email/failures.rs"]
mod failures;
#[path = "email/format.rs"]
mod format;
#[path = "email/recipients.rs"]
mod recipients;
#[path = "email/secrets.rs"]
mod secrets;
#[path = "email/transport.rs"]
mod transport;

use std::time::Duration;

use headroom_notifier::{
    EmailNotifier, EmailOptions, Language, Message, Notifier as _, Receipt, SecretReader, SendError, Style,
    testing,
};
use headroom_test_support::smtp::Smtp;
use jiff::tz::TimeZone;

/// Long enough for any exchange that ends by itself.
const PATIENT: Duration = Duration::from_secs(60);
const USER: &str = "ops@example.com";
const PASSWORD: &str = "hunter2/ 비밀%";
/// `USER` and `PASSWORD` as a URL has them.
const LOGIN: &str = "ops%40example.com:hunter2%2F%20비밀%25@";

/// Options for mail to `server`, whose certificate is trusted.
fn options(server: &Smtp, scheme: &str, login: &str) -> EmailOptions {
    headroom_test_support::install_tls();
    EmailOptions {
        smtp: SecretReader::fixed(&format!("{scheme}://{login}localhost:{}", server.port())),
        from: SecretReader::fixed("headroom <headroom@example.com>"),
        to: SecretReader::fixed("oncall@example.com"),
        style: Style {
            language: Language::En,
            timezone: TimeZone::get("Asia/Seoul").unwrap(),
        },
        deadline: PATIENT,
        ca: Some(server.ca().as_bytes().to_vec()),
        allow_plaintext: false,
    }
}

/// Options for mail to `server` without encryption, for these recipients.
fn plain_options(server: &Smtp, to: &str) -> EmailOptions {
    EmailOptions {
        to: SecretReader::fixed(to),
        allow_plaintext: true,
        ..options(server, "smtp", "")
    }
}

fn message() -> Message {
    Message::of(testing::scaled())
}

async fn send(options: EmailOptions) -> Result<Receipt, SendError> {
    EmailNotifier::new(options).unwrap().send(&message()).await
}

#[track_caller]
fn assert_busy(result: Result<Receipt, SendError>, said: &str) {
    match result {
        Err(SendError::Busy { reason, .. }) if reason.contains(said) => {}
        other => panic!("{other:?} is not busy with {said}"),
    }
}

#[track_caller]
fn assert_unanswered(result: Result<Receipt, SendError>, said: &str) {
    match result {
        Err(SendError::Unanswered { reason }) if reason.contains(said) => {}
        other => panic!("{other:?} is not unanswered with {said}"),
    }
}

#[track_caller]
fn assert_refused(result: Result<Receipt, SendError>, said: &str) {
    match result {
        Err(SendError::Refused { reason }) if reason.contains(said) => {}
        other => panic!("{other:?} is not refused with {said}"),
    }
}

#[track_caller]
fn assert_partly(result: Result<Receipt, SendError>, said: &str) {
    match result {
        Err(SendError::Partly { reason, .. }) if reason.contains(said) => {}
        other => panic!("{other:?} is not partly taken with {said}"),
    }
}
