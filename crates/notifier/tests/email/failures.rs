//! What a server does wrong, and what becomes of the mail.

use std::time::Duration;

use headroom_notifier::{EmailOptions, SecretReader};
use headroom_test_support::{
    ClosedPort,
    smtp::{Behavior, Security, Smtp},
};

use crate::{
    LOGIN, PASSWORD, USER, assert_busy, assert_refused, assert_unanswered, options, plain_options, send,
};

/// As short as a test can wait for nothing to come.
const IMPATIENT: Duration = Duration::from_millis(700);

async fn server(behavior: Behavior) -> Smtp {
    Smtp::builder().behavior(behavior).start().await
}

fn to_it(server: &Smtp) -> EmailOptions {
    plain_options(server, "oncall@example.com")
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_server_that_is_busy_is_left_alone_for_a_while() {
    let busy = server(Behavior::Busy).await;
    assert_busy(send(to_it(&busy)).await, "421 4.3.2 too many connections");
    let leaving = server(Behavior::ShutsDown).await;
    assert_busy(
        send(to_it(&leaving)).await,
        "answered the sender with 421 4.3.0 shutting down",
    );
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_server_that_takes_no_mail_or_not_this_one_refuses() {
    let closed = server(Behavior::Closed).await;
    assert_refused(send(to_it(&closed)).await, "554 5.3.2 no mail is taken here");
    let picky = server(Behavior::RefusesContent).await;
    assert_refused(send(to_it(&picky)).await, "answered the mail with 554 5.6.0");
    assert_eq!(picky.received().len(), 0);
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_login_that_is_refused_is_refused_again_the_next_time() {
    let server = Smtp::builder()
        .security(Security::StartTls)
        .login(USER, PASSWORD)
        .behavior(Behavior::RefusesAuth)
        .start()
        .await;
    let result = send(options(&server, "smtp", LOGIN)).await;
    assert_refused(
        result,
        "answered the login with 535 5.7.8 no login for (hidden) with (hidden) ((hidden))",
    );
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn answers_from_before_the_encryption_do_not_count_under_it() {
    let server = Smtp::builder()
        .security(Security::StartTls)
        .login(USER, PASSWORD)
        .behavior(Behavior::Injected)
        .start()
        .await;
    assert_unanswered(send(options(&server, "smtp", LOGIN)).await, "STARTTLS: ");
    assert!(!server.log().contains(">> b'AUTH"), "{}", server.log());
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_connection_that_breaks_within_the_mail_leaves_it_open_who_has_it() {
    let cutting = server(Behavior::Cuts).await;
    assert_unanswered(send(to_it(&cutting)).await, "the mail: ");
    assert_eq!(cutting.received().len(), 0);
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_server_that_never_answers_is_waited_for_until_the_deadline() {
    for behavior in [Behavior::Silent, Behavior::SilentAfterData] {
        let silent = server(behavior).await;
        let options = EmailOptions {
            deadline: IMPATIENT,
            ..to_it(&silent)
        };
        assert_unanswered(send(options).await, "no answer within 700ms");
    }
    for security in [Security::StartTls, Security::Implicit] {
        let silent = Smtp::builder()
            .security(security)
            .behavior(Behavior::Silent)
            .start()
            .await;
        let scheme = if security == Security::Implicit {
            "smtps"
        } else {
            "smtp"
        };
        let options = EmailOptions {
            deadline: IMPATIENT,
            ..options(&silent, scheme, "")
        };
        assert_unanswered(send(options).await, "no answer within 700ms");
    }
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_server_that_is_not_there_is_named() {
    let server = server(Behavior::Takes).await;
    let smtp = |host: &str, port| SecretReader::fixed(&format!("smtp://{host}:{port}"));
    let closed = ClosedPort::new();
    let nobody = EmailOptions {
        smtp: smtp("127.0.0.1", closed.port()),
        ..to_it(&server)
    };
    assert_unanswered(send(nobody).await, "Connection refused");
    let nowhere = EmailOptions {
        smtp: smtp("mail.invalid", 25),
        ..to_it(&server)
    };
    assert_unanswered(
        send(nowhere).await,
        "mail.invalid:25: its name could not be looked up",
    );
}
