//! How a server is reached, trusted and logged in to.

use headroom_notifier::{EmailError, EmailNotifier, EmailOptions, Hidden, Notifier as _, SecretReader};
use headroom_test_support::smtp::{Certificate, Security, Smtp, SmtpBuilder};

use crate::{
    LOGIN, PASSWORD, USER, assert_refused, assert_unanswered, message, options, plain_options, send,
};

fn starttls() -> SmtpBuilder {
    Smtp::builder().security(Security::StartTls)
}

fn with_login(builder: SmtpBuilder) -> SmtpBuilder {
    builder.login(USER, PASSWORD)
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn logs_in_by_plain_once_starttls_has_encrypted() {
    let server = with_login(starttls()).start().await;
    send(options(&server, "smtp", LOGIN)).await.unwrap();
    let received = server.wait_for_received(1).await;
    assert_eq!(received[0].login.as_deref(), Some("PLAIN ops@example.com"));
    assert_eq!(received[0].from, "headroom@example.com");
    assert_eq!(received[0].to, ["oncall@example.com"]);
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn logs_in_by_login_where_nothing_else_is_offered() {
    let server = with_login(starttls()).only_mechanism("LOGIN").start().await;
    send(options(&server, "smtp", LOGIN)).await.unwrap();
    let received = server.wait_for_received(1).await;
    assert_eq!(received[0].login.as_deref(), Some("LOGIN ops@example.com"));
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn speaks_tls_from_the_start_where_the_url_says_so() {
    let server = with_login(Smtp::builder().security(Security::Implicit))
        .start()
        .await;
    send(options(&server, "smtps", LOGIN)).await.unwrap();
    assert_eq!(server.wait_for_received(1).await[0].to, ["oncall@example.com"]);
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn without_encryption_nothing_is_sent_unless_that_is_allowed() {
    let server = with_login(Smtp::builder()).start().await;
    assert_refused(send(options(&server, "smtp", LOGIN)).await, "offers no STARTTLS");
    assert!(!server.log().contains(">> b'AUTH"), "{}", server.log());
    assert!(!server.log().contains(">> b'MAIL"), "{}", server.log());

    let server = Smtp::builder().start().await;
    send(plain_options(&server, "oncall@example.com")).await.unwrap();
    server.wait_for_received(1).await;
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_server_that_takes_no_login_is_not_told_one() {
    let server = starttls().only_mechanism("").start().await;
    let error = send(options(&server, "smtp", LOGIN)).await;
    assert_refused(error, "neither by PLAIN nor by LOGIN");
    assert_eq!(server.received().len(), 0);
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_certificate_that_is_not_right_ends_it_before_the_login() {
    for security in [Security::StartTls, Security::Implicit] {
        let scheme = if security == Security::Implicit {
            "smtps"
        } else {
            "smtp"
        };
        let builder = with_login(Smtp::builder().security(security));
        let wrong = [
            (Certificate::Expired, "expired"),
            (Certificate::OtherHost, "not valid for name"),
        ];
        for (certificate, said) in wrong {
            let server = builder.clone().certificate(certificate).start().await;
            assert_unanswered(send(options(&server, scheme, LOGIN)).await, said);
            assert!(!server.log().contains(">> b'AUTH"), "{}", server.log());
        }
        // Signed by somebody whom the system does not know.
        let server = builder.start().await;
        let stranger = EmailOptions {
            ca: None,
            ..options(&server, scheme, LOGIN)
        };
        assert_unanswered(send(stranger).await, "UnknownIssuer");
    }
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn the_url_is_read_again_for_each_mail() {
    let server = Smtp::builder().start().await;
    let url = format!("smtp://localhost:{}", server.port());
    let mut readings = vec![Ok(url), Err("the file is gone".to_owned())].into_iter();
    let readings = std::sync::Mutex::new(move || readings.next_back().unwrap());
    let smtp = SecretReader::new(move || {
        let mut next = readings.lock().unwrap();
        next().map(Hidden::new)
    });
    let options = EmailOptions {
        smtp,
        ..plain_options(&server, "oncall@example.com")
    };
    let notifier = EmailNotifier::new(options).unwrap();
    assert_unanswered(notifier.send(&message()).await, "the file is gone");
    notifier.send(&message()).await.unwrap();
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn what_cannot_be_read_is_refused_before_anything_is_sent() {
    let server = Smtp::builder().start().await;
    let plain = || plain_options(&server, "oncall@example.com");
    let fixed = SecretReader::fixed;
    let smtp = EmailOptions {
        smtp: fixed("mail.example.com"),
        ..plain()
    };
    assert_refused(send(smtp).await, "the URL of the mail server cannot be read");
    let from = EmailOptions {
        from: fixed("a@example.com, b@example.com"),
        ..plain()
    };
    assert_refused(send(from).await, "the sender: there are 2 mail addresses");
    let to = EmailOptions {
        to: fixed("ops"),
        ..plain()
    };
    assert_refused(send(to).await, "the recipients: `ops` is no mail address");
    assert!(!server.log().contains(">> b'EHLO"), "{}", server.log());

    for pem in [
        &b"nothing"[..],
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        let options = EmailOptions {
            ca: Some(pem.to_vec()),
            ..plain()
        };
        assert!(matches!(EmailNotifier::new(options), Err(EmailError::BadCa)));
    }
}
