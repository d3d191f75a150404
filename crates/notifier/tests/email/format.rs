//! A mail as Python's library reads it.

use std::{path::Path, process::Command, sync::Arc};

use headroom_notifier::{
    EmailNotifier, EmailOptions, EventKind, Language, Message, Notice, Notifier as _, SecretReader, Stage,
    testing,
};
use headroom_test_support::smtp::{Received, Smtp};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::plain_options;

const TO: &str = r#"김민수 <minsu@example.com>, "박, 서연" <seoyeon@example.com>, ops@example.com"#;

/// What Python's library reads in a mail.
struct Read(Value);

impl Read {
    fn of(received: &[Received]) -> Vec<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/email/parse.py");
        let mails = received.iter().map(|mail| &mail.path);
        let output = Command::new("python3").arg(script).args(mails).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let read: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        for mail in &read {
            assert_eq!(mail["problems"], serde_json::json!([]));
        }
        read.into_iter().map(Self).collect()
    }

    fn headers(&self, name: &str) -> Vec<&str> {
        let all = self.0["headers"].as_array().unwrap().iter();
        let named = all.filter(|header| header[0].as_str().unwrap().eq_ignore_ascii_case(name));
        named.map(|header| header[1].as_str().unwrap()).collect()
    }

    #[track_caller]
    fn header(&self, name: &str) -> &str {
        match self.headers(name)[..] {
            [one] => one,
            ref several => panic!("{name}: {several:?}"),
        }
    }
}

fn notifier(server: &Smtp, language: Language) -> EmailNotifier {
    let mut options = plain_options(server, TO);
    options.from = SecretReader::fixed("헤드룸 <headroom@example.com>");
    options.style.language = language;
    EmailNotifier::new(options).unwrap()
}

async fn sent(language: Language, notices: Vec<Notice>) -> Vec<Read> {
    let server = Smtp::builder().start().await;
    let notifier = notifier(&server, language);
    for notice in &notices {
        notifier.send(&Message::of(notice.clone())).await.unwrap();
    }
    Read::of(&server.wait_for_received(notices.len()).await)
}

fn at_max(stage: fn(&Stage) -> bool) -> Notice {
    let mut all = testing::notices().into_iter();
    let found = all.find(|notice| notice.kind() == EventKind::AtMax && stage(&notice.stage));
    let mut notice = found.unwrap();
    notice.id.0 = format!("{:?}", notice.stage).into();
    notice
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn parts_charset_addresses_and_subject_are_as_they_were_meant() {
    let mut notice = testing::scaled();
    notice.cluster = Some("서울-운영".into());
    let mail = &sent(Language::Ko, vec![notice]).await[0];
    assert_eq!(mail.0["type"], "multipart/alternative");
    let parts = mail.0["parts"].as_array().unwrap();
    let kinds: Vec<_> = parts.iter().map(|part| part["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["text/plain", "text/html"]);
    for part in parts {
        assert_eq!(part["charset"], "utf-8");
        assert_eq!(part["disposition"], Value::Null);
        assert!(
            part["content"]
                .as_str()
                .unwrap()
                .contains("서울-운영 devtrip/api"),
            "{part}"
        );
    }
    let html = parts[1]["content"].as_str().unwrap();
    for remote in ["src=", "url(", "<link", "@import"] {
        assert!(!html.contains(remote), "{remote} in {html}");
    }
    assert_eq!(
        mail.header("Subject"),
        "서울-운영 devtrip/api: 레플리카 4개 → 6개"
    );
    assert_eq!(
        mail.0["from"],
        serde_json::json!([["헤드룸", "headroom@example.com"]])
    );
    assert_eq!(
        mail.0["to"],
        serde_json::json!([
            ["김민수", "minsu@example.com"],
            ["박, 서연", "seoyeon@example.com"],
            ["", "ops@example.com"],
        ])
    );
    assert_eq!(mail.0["date"], "2026-05-01T08:30:00+00:00");
    assert_eq!(mail.header("X-Headroom-Cluster"), "서울-운영");
    assert_eq!(mail.header("X-Headroom-Event"), "scaled");
    assert_eq!(mail.0["is_ascii"], true);
    assert!(mail.0["widest"].as_u64().unwrap() <= 998, "{}", mail.0["widest"]);
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn what_opens_and_what_closes_stand_in_one_thread() {
    let opened = at_max(|stage| matches!(stage, Stage::Opened));
    let closed = at_max(|stage| matches!(stage, Stage::Closed { .. }));
    let mails = sent(Language::En, vec![opened, closed, testing::scaled()]).await;
    let threads: Vec<_> = mails.iter().map(|mail| mail.header("References")).collect();
    assert_eq!(threads[0], threads[1]);
    assert_ne!(threads[0], threads[2]);
    for mail in &mails {
        assert_eq!(mail.header("In-Reply-To"), mail.header("References"));
        assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
        assert!(mail.header("Message-ID").ends_with("@example.com>"));
        assert_eq!(mail.headers("X-Priority"), Vec::<&str>::new());
    }
    let ids: std::collections::BTreeSet<_> = mails.iter().map(|mail| mail.header("Message-ID")).collect();
    assert_eq!(ids.len(), 3);
    assert!(
        mails[0]
            .header("Subject")
            .starts_with("Warning: prod-eu devtrip/api: ")
    );
    assert!(
        mails[1]
            .header("Subject")
            .starts_with("Resolved: prod-eu devtrip/api: ")
    );
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn nothing_in_a_name_becomes_a_header() {
    let mut notice = testing::scaled();
    notice.cluster = Some("prod\r\nBcc: thief@example.com\r\n\r\n<script>alert(1)</script>".into());
    let mail = &sent(Language::En, vec![notice]).await[0];
    assert_eq!(mail.headers("Bcc"), Vec::<&str>::new());
    assert_eq!(
        mail.header("Subject"),
        "prod Bcc: thief@example.com <script>alert(1)</script> devtrip/api: 4 → 6 replicas"
    );
    let html = mail.0["parts"][1]["content"].as_str().unwrap();
    assert!(!html.contains("<script"), "{html}");
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn every_notice_is_read_without_a_defect_in_both_languages() {
    for language in [Language::En, Language::Ko] {
        let server = Smtp::builder().start().await;
        let notifier = Arc::new(notifier(&server, language));
        let mut sending = JoinSet::new();
        for notice in testing::notices() {
            let notifier = Arc::clone(&notifier);
            sending.spawn(async move { notifier.send(&Message::of(notice)).await.map(drop) });
        }
        let count = sending.len();
        for sent in sending.join_all().await {
            sent.unwrap();
        }
        let mails = Read::of(&server.wait_for_received(count).await);
        for mail in mails {
            assert_eq!(mail.0["parts"].as_array().unwrap().len(), 2);
            assert!(
                !mail.header("Subject").contains("=?"),
                "{}",
                mail.header("Subject")
            );
        }
    }
}

#[tokio::test]
async fn a_preview_is_the_text_with_its_subject() {
    headroom_test_support::install_tls();
    let options = EmailOptions {
        smtp: SecretReader::fixed("smtp://localhost"),
        from: SecretReader::fixed("headroom@example.com"),
        to: SecretReader::fixed("ops@example.com"),
        style: headroom_notifier::Style {
            language: Language::En,
            timezone: jiff::tz::TimeZone::UTC,
        },
        deadline: crate::PATIENT,
        ca: None,
        allow_plaintext: false,
    };
    let notifier = EmailNotifier::new(options).unwrap();
    let preview = notifier.preview(&Message::of(at_max(|stage| matches!(stage, Stage::Opened))));
    assert!(
        preview.starts_with("Subject: Warning: prod-eu devtrip/api: "),
        "{preview}"
    );
    assert!(
        preview.contains("\n    headroom explain devtrip/api\n"),
        "{preview}"
    );
}
