//! The real mail server, spoken to by hand.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::time::Duration;

use headroom_test_support::smtp::{Behavior, Smtp};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

/// Says each line, and returns the last line of the answer to each, the greeting first.
async fn talk(server: &Smtp, lines: &[&str]) -> Vec<String> {
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", server.port())).await.unwrap());
    let mut answers = vec![answer(&mut stream).await];
    for line in lines {
        stream.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
        answers.push(answer(&mut stream).await);
    }
    answers
}

async fn answer(stream: &mut BufReader<TcpStream>) -> String {
    loop {
        let mut line = String::new();
        let read = stream.read_line(&mut line).await.unwrap_or_default();
        if read == 0 || line.as_bytes().get(3) != Some(&b'-') {
            return line.trim().to_owned();
        }
    }
}

const MAIL: [&str; 6] = [
    "EHLO test",
    "MAIL FROM:<headroom@example.com>",
    "RCPT TO:<ops@example.com>",
    "RCPT TO:<gone@example.com>",
    "DATA",
    "Subject: hello\r\n\r\n..dots\r\n.",
];

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn mail_is_kept_as_it_came_with_its_envelope() {
    let server = Smtp::builder().unknown("gone@example.com").start().await;
    let answers = talk(&server, &MAIL).await;
    assert!(answers[3].starts_with("250"), "{answers:?}");
    assert!(answers[4].starts_with("550 5.1.1"), "{answers:?}");
    assert!(answers[6].starts_with("250"), "{answers:?}");
    let received = server.wait_for_received(1).await;
    assert_eq!(received[0].from, "headroom@example.com");
    assert_eq!(received[0].to, ["ops@example.com"]);
    assert_eq!(received[0].content(), "Subject: hello\r\n\r\n.dots\r\n");
    assert!(server.log().contains("ops@example.com"), "{}", server.log());
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_recipient_is_greylisted_once() {
    let server = Smtp::builder().greylisted("ops@example.com").start().await;
    assert!(talk(&server, &MAIL[..3]).await[3].starts_with("450"));
    assert!(talk(&server, &MAIL[..3]).await[3].starts_with("250"));
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn it_misbehaves_as_it_is_told() {
    let start = async |behavior| Smtp::builder().behavior(behavior).start().await;
    let server = start(Behavior::Busy).await;
    assert!(talk(&server, &[]).await[0].starts_with("421"));
    let server = start(Behavior::Closed).await;
    assert!(talk(&server, &[]).await[0].starts_with("554"));
    let server = start(Behavior::ShutsDown).await;
    assert!(talk(&server, &MAIL[..2]).await[2].starts_with("421"));
    let server = start(Behavior::RefusesContent).await;
    assert!(talk(&server, &MAIL).await[6].starts_with("554"));
    let server = start(Behavior::Cuts).await;
    let answers = talk(&server, &MAIL).await;
    assert_eq!(answers[5..], ["354 go ahead", ""]);
    assert_eq!(server.received().len(), 0);
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_silent_server_accepts_and_says_nothing() {
    let server = Smtp::builder().behavior(Behavior::Silent).start().await;
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).await.unwrap();
    stream.write_all(b"EHLO test\r\n").await.unwrap();
    let heard = tokio::time::timeout(Duration::from_millis(500), stream.read_u8()).await;
    assert!(heard.is_err(), "{heard:?}");
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn who_must_log_in_is_refused_until_they_do() {
    let server = Smtp::builder().login("user", "secret").start().await;
    let answers = talk(&server, &MAIL[..2]).await;
    assert!(answers[2].starts_with("530"), "{answers:?}");
    // \0user\0secret
    let login = ["EHLO test", "AUTH PLAIN AHVzZXIAc2VjcmV0", MAIL[1]];
    let answers = talk(&server, &login).await;
    assert!(
        answers[2].starts_with("235") && answers[3].starts_with("250"),
        "{answers:?}"
    );
}
