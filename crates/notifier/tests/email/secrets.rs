//! Nothing that is secret is said, whatever goes wrong.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use headroom_notifier::{EmailNotifier, EmailOptions, Notifier as _};
use headroom_test_support::smtp::{Behavior, Certificate, Security, Smtp};

use crate::{LOGIN, PASSWORD, USER, message, options};

/// Everything that is logged, by whichever library.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[track_caller]
fn assert_keeps_the_secret(said: &str) {
    let secrets = [
        PASSWORD.to_owned(),
        "hunter2".to_owned(),
        USER.to_owned(),
        LOGIN.to_owned(),
        STANDARD.encode(PASSWORD),
        STANDARD.encode(USER),
        STANDARD.encode(format!("\0{USER}\0{PASSWORD}")),
    ];
    for secret in secrets {
        assert!(!said.contains(&secret), "{secret} is in:\n{said}");
    }
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn no_failure_says_the_user_or_the_password() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .init();
    let failing = [
        (Security::StartTls, Behavior::RefusesAuth, Certificate::Valid),
        (Security::Implicit, Behavior::RefusesAuth, Certificate::Valid),
        (Security::StartTls, Behavior::Takes, Certificate::Expired),
        (Security::Implicit, Behavior::Takes, Certificate::OtherHost),
        (Security::Plain, Behavior::Takes, Certificate::Valid),
        (Security::StartTls, Behavior::Busy, Certificate::Valid),
        (Security::StartTls, Behavior::Closed, Certificate::Valid),
        (Security::StartTls, Behavior::ShutsDown, Certificate::Valid),
        (Security::StartTls, Behavior::Cuts, Certificate::Valid),
        (Security::StartTls, Behavior::Silent, Certificate::Valid),
        (Security::StartTls, Behavior::SilentAfterData, Certificate::Valid),
        (Security::StartTls, Behavior::RefusesContent, Certificate::Valid),
    ];
    for (security, behavior, certificate) in failing {
        let server = Smtp::builder()
            .security(security)
            .behavior(behavior)
            .certificate(certificate)
            .login(USER, PASSWORD)
            .start()
            .await;
        let scheme = if security == Security::Implicit {
            "smtps"
        } else {
            "smtp"
        };
        let options = EmailOptions {
            deadline: Duration::from_secs(2),
            ..options(&server, scheme, LOGIN)
        };
        let shown = format!("{options:?}");
        let notifier = EmailNotifier::new(options).unwrap();
        let error = notifier.send(&message()).await.unwrap_err();
        assert_keeps_the_secret(&format!(
            "{shown}\n{error}\n{error:?}\n{notifier:?}\n{}",
            notifier.preview(&message())
        ));
    }
    let logged = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(logged.contains("rustls"), "nothing was caught:\n{logged}");
    assert_keeps_the_secret(&logged);
}
