use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    Event, Language, Stage, any,
    script::{Act, Server},
    testing::{notices, scaled},
    words::utf16_len,
};

const TOKEN: &str = "xoxb-12345-s3cret-tail";
const HOOK: &str = "/services/T0SECRET/B0SECRET/s3cretpath";

fn style(language: Language) -> Style {
    Style {
        language,
        timezone: jiff::tz::TimeZone::get("Asia/Seoul").unwrap(),
    }
}

fn notifier(way: SlackWay) -> SlackNotifier {
    headroom_test_support::install_tls();
    SlackNotifier::new(SlackOptions {
        way,
        style: style(Language::En),
        http: HttpOptions {
            allow_http: true,
            ..HttpOptions::default()
        },
    })
    .unwrap()
}

fn webhook(server: &Server) -> SlackNotifier {
    notifier(SlackWay::Webhook {
        url: SecretReader::fixed(&format!("{}\n", server.url(HOOK))),
    })
}

fn bot(server: &Server) -> SlackNotifier {
    notifier(SlackWay::Bot {
        token: SecretReader::fixed(&format!("{TOKEN}\n")),
        channel: "C0123".to_owned(),
        api: server.url("/api"),
    })
}

fn api(answer: &Value) -> Act {
    Act::answer(
        "200 OK",
        &[("content-type", "application/json")],
        &answer.to_string(),
    )
}

fn took(ts: &str) -> Act {
    api(&json!({ "ok": true, "channel": "C0123", "ts": ts, "message": {} }))
}

fn at_max(stage: Stage) -> Notice {
    let is_it = |notice: &Notice| notice.stage == stage && matches!(notice.event, Event::AtMax { .. });
    notices().into_iter().find(is_it).unwrap()
}

/// A message whose first notice was said before.
fn later(notices: Vec<Notice>) -> Message {
    Message {
        told: notices.len() - 1,
        earlier: Some(Receipt("C0123 1503435956.000247".to_owned())),
        ..Message {
            notices,
            ..Message::of(scaled())
        }
    }
}

#[test]
fn every_notice_as_it_looks() {
    for (name, language) in [("en", Language::En), ("ko", Language::Ko)] {
        let said = [scaled(), at_max(Stage::Opened), crate::testing::digest()]
            .map(|notice| format!("{:#}", blocks::payload(&[notice], 3, &style(language))));
        insta::assert_snapshot!(name, said.join("\n"));
    }
}

#[tokio::test]
async fn a_webhook_gets_what_is_new() {
    let server = Server::start(vec![Act::answer("200 OK", &[], "ok")]).await;
    let message = later(vec![scaled(), at_max(Stage::Opened)]);
    let notifier = webhook(&server);
    assert!(!notifier.can_edit());
    notifier.send(&message).await.unwrap();
    let asked = server.asked();
    assert_eq!(asked[0].line, format!("POST {HOOK}"));
    assert_eq!(
        asked[0].header("content-type"),
        Some("application/json; charset=utf-8")
    );
    let body = asked[0].json();
    assert_eq!(body, blocks::payload(message.fresh(), 0, &style(Language::En)));
    assert!(body["text"].as_str().unwrap().contains("at its maximum"));
    assert!(body.get("channel").is_none());
}

#[tokio::test]
async fn a_bot_posts_and_then_changes_what_it_posted() {
    let server = Server::start(vec![took("1503435956.000247"), took("1503435956.000247")]).await;
    let notifier = bot(&server);
    assert!(notifier.can_edit());
    let receipt = notifier.send(&Message::of(scaled())).await.unwrap();
    assert_eq!(receipt, Receipt("C0123 1503435956.000247".to_owned()));
    let receipt = notifier.send(&later(vec![scaled(), scaled()])).await.unwrap();
    assert_eq!(receipt, Receipt("C0123 1503435956.000247".to_owned()));
    let asked = server.asked();
    assert_eq!(
        [&asked[0].line, &asked[1].line],
        ["POST /api/chat.postMessage", "POST /api/chat.update"]
    );
    let bearer = format!("Bearer {TOKEN}");
    assert!(
        asked
            .iter()
            .all(|asked| asked.header("authorization") == Some(&bearer))
    );
    let (post, update) = (asked[0].json(), asked[1].json());
    assert_eq!(post["channel"], "C0123");
    assert_eq!(post["unfurl_links"], false);
    assert_eq!(update["ts"], "1503435956.000247");
    assert!(
        update["text"].as_str().unwrap().contains("in 2 changes since"),
        "{update}"
    );
}

#[tokio::test]
async fn what_closes_something_goes_into_the_message_that_opened_it() {
    let server = Server::start(vec![took("2.0")]).await;
    let after = std::time::Duration::from_secs(720);
    let message = later(vec![at_max(Stage::Opened), at_max(Stage::Closed { after })]);
    bot(&server).send(&message).await.unwrap();
    let asked = server.asked();
    assert_eq!(asked[0].line, "POST /api/chat.update");
    assert!(
        asked[0].json()["text"]
            .as_str()
            .unwrap()
            .starts_with("✅ Resolved")
    );
}

#[tokio::test]
async fn a_message_that_cannot_be_changed_is_followed_by_a_new_one() {
    for error in [
        "message_not_found",
        "cant_update_message",
        "edit_window_closed",
        "is_inactive",
        "channel_not_found",
        "not_in_channel",
        "is_archived",
        "msg_too_long",
        "whatever Slack may say one day",
    ] {
        let gone = api(&json!({ "ok": false, "error": error }));
        let server = Server::start(vec![gone, took("3.0")]).await;
        let receipt = bot(&server).send(&later(vec![scaled(), scaled()])).await.unwrap();
        assert_eq!(receipt, Receipt("C0123 3.0".to_owned()));
        let post = server.asked()[1].json();
        assert!(
            post["text"].as_str().unwrap().contains("4 → 6 replicas\n"),
            "{post}"
        );
    }
}

#[tokio::test]
async fn a_message_that_can_be_changed_and_said_anew_by_nobody_is_refused() {
    let no = |error| api(&json!({ "ok": false, "error": error }));
    for (acts, way_out) in [
        // What would be said of any message is not asked for twice.
        (vec![no("invalid_auth")], "xoxb-"),
        (vec![no("missing_scope")], "chat:write"),
        (vec![no("is_archived"), no("is_archived")], "unarchive"),
        (vec![no("is_inactive"), no("not_in_channel")], "/invite"),
    ] {
        let (count, server) = (acts.len(), Server::start(acts).await);
        match bot(&server).send(&later(vec![scaled(), scaled()])).await {
            Err(SendError::Refused { reason }) => assert!(reason.contains(way_out), "{reason}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(server.asked().len(), count);
    }
    let server = Server::start(vec![no("update_failed")]).await;
    let sent = bot(&server).send(&later(vec![scaled(), scaled()])).await;
    assert!(matches!(sent, Err(SendError::Unanswered { .. })), "{sent:?}");
}

#[tokio::test]
async fn a_receipt_of_somebody_else_is_no_message_to_change() {
    let server = Server::start(vec![took("1.0")]).await;
    let message = Message {
        earlier: Some(Receipt("unreadable".to_owned())),
        ..later(vec![scaled(), scaled()])
    };
    bot(&server).send(&message).await.unwrap();
    assert_eq!(server.asked()[0].line, "POST /api/chat.postMessage");
}

#[tokio::test]
async fn what_slack_refuses_comes_with_the_way_out() {
    for (error, way_out) in [
        ("channel_not_found", "/invite"),
        ("not_in_channel", "chat:write.public"),
        ("is_archived", "unarchive"),
        ("invalid_auth", "xoxb-"),
        ("token_revoked", "xoxb-"),
        ("restricted_action", "administrator"),
        ("invalid_blocks", "documentation"),
    ] {
        let server = Server::start(vec![api(&json!({ "ok": false, "error": error }))]).await;
        match bot(&server).send(&Message::of(scaled())).await {
            Err(SendError::Refused { reason }) => {
                assert!(reason.contains(error) && reason.contains(way_out), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
    let answer = json!({ "ok": false, "error": "missing_scope", "needed": "chat:write:bot" });
    let server = Server::start(vec![api(&answer)]).await;
    let error = bot(&server).send(&Message::of(scaled())).await.unwrap_err();
    assert!(error.to_string().contains("the scope chat:write:bot"), "{error}");
}

#[tokio::test]
async fn slack_wants_to_be_left_alone_or_fails_for_a_while() {
    let busy = |status: &str, body: &Value| Act::answer(status, &[("retry-after", "30")], &body.to_string());
    let limited = json!({ "ok": false, "error": "ratelimited" });
    for act in [busy("429 Too Many Requests", &limited), busy("200 OK", &limited)] {
        let server = Server::start(vec![act]).await;
        match bot(&server).send(&Message::of(scaled())).await {
            Err(SendError::Busy { after, .. }) => assert_eq!(after.map(|after| after.as_secs()), Some(30)),
            other => panic!("{other:?}"),
        }
    }
    for act in [
        api(&json!({ "ok": false, "error": "internal_error" })),
        Act::answer("503 Service Unavailable", &[], "upstream"),
        Act::answer("200 OK", &[], "<html>captive portal</html>"),
        api(&json!({ "ok": true })),
        Act::Say(
            b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{\"ok\": true, \"channel\": \"C\", \"ts\""
                .to_vec(),
        ),
        Act::HangUp,
    ] {
        let server = Server::start(vec![act]).await;
        let sent = bot(&server).send(&Message::of(scaled())).await;
        assert!(matches!(sent, Err(SendError::Unanswered { .. })), "{sent:?}");
    }
}

#[tokio::test]
async fn what_a_webhook_refuses_comes_with_the_way_out() {
    for (status, word, way_out) in [
        ("404 Not Found", "no_service", "make a new one"),
        ("403 Forbidden", "invalid_token", "copy it anew"),
        ("410 Gone", "channel_is_archived", "another one"),
        ("403 Forbidden", "action_prohibited", "administrator"),
        ("400 Bad Request", "invalid_payload", "400: invalid_payload"),
    ] {
        let server = Server::start(vec![Act::answer(status, &[], word)]).await;
        match webhook(&server).send(&Message::of(scaled())).await {
            Err(SendError::Refused { reason }) => assert!(reason.contains(way_out), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn nothing_that_is_said_has_a_secret_in_it() {
    let acts = |echo: &str| {
        vec![
            Act::answer("404 Not Found", &[], echo),
            Act::answer("500 Oops", &[], echo),
            Act::answer("429 Too Many Requests", &[], echo),
            Act::answer("302 Found", &[("location", HOOK)], echo),
            api(&json!({ "ok": false, "error": format!("bad {echo}") })),
            // What is longer than what is said is not cut within a secret.
            api(&json!({ "ok": false, "error": format!("{}{echo}", "x".repeat(61)) })),
            api(&json!({ "ok": false, "error": "missing_scope", "needed": format!("chat:write {echo}") })),
            Act::HangUp,
        ]
    };
    let mut said = Vec::new();
    for (is_bot, echo) in [(true, TOKEN), (false, HOOK), (false, "B0SECRET s3cretpath")] {
        for act in acts(echo) {
            let server = Server::start(vec![act]).await;
            let notifier = if is_bot { bot(&server) } else { webhook(&server) };
            let sent = notifier.send(&Message::of(scaled())).await;
            said.push(format!("{notifier:?} {sent:?}"));
            said.extend(sent.err().map(|error| error.to_string()));
            said.push(notifier.preview(&Message::of(scaled())));
        }
    }
    let port = headroom_test_support::ClosedPort::new();
    let closed = notifier(SlackWay::Webhook {
        url: SecretReader::fixed(&format!("{}{HOOK}", port.url())),
    });
    said.push(format!("{:?}", closed.send(&Message::of(scaled())).await));
    let bad = notifier(SlackWay::Bot {
        token: SecretReader::fixed("xoxb-12345-s3cret\nsecond line"),
        channel: "C0123".to_owned(),
        api: SLACK_API.to_owned(),
    });
    said.push(format!("{:?}", bad.send(&Message::of(scaled())).await));
    for text in said {
        assert!(
            !text.to_lowercase().contains("s3cret") && !text.contains("SECRET"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_says_why() {
    let notifier = notifier(SlackWay::Webhook {
        url: SecretReader::new(|| Err("SLACK_URL is not set".to_owned())),
    });
    let error = notifier.send(&Message::of(scaled())).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the webhook's address cannot be read: SLACK_URL is not set"
    );
    assert!(matches!(error, SendError::Unanswered { .. }));
}

#[test]
fn what_cannot_be_set_up_says_why() {
    headroom_test_support::install_tls();
    let refused = |channel: &str, api: &str| {
        let way = SlackWay::Bot {
            token: SecretReader::fixed(TOKEN),
            channel: channel.to_owned(),
            api: api.to_owned(),
        };
        let options = SlackOptions {
            way,
            style: style(Language::En),
            http: HttpOptions::default(),
        };
        SlackNotifier::new(options).err().map(|error| error.to_string())
    };
    assert_eq!(refused("C0123", SLACK_API), None);
    assert!(refused(" ", SLACK_API).unwrap().contains("ID"));
    assert!(
        refused("C0123", "http://slack.example/api")
            .unwrap()
            .contains("allow_http")
    );
    assert!(refused("C0123", "slack").unwrap().contains("https://"));
}

fn length(text: &Value) -> usize {
    utf16_len(text.as_str().unwrap())
}

/// No text has markup in it that is not escaped: what is left of it without escapes and our own marks.
fn is_escaped(markup: &str) -> bool {
    let is_escape = |rest: &str| {
        ["&amp;", "&lt;", "&gt;"]
            .iter()
            .any(|escape| rest.starts_with(escape))
    };
    markup.match_indices('&').all(|(at, _)| is_escape(&markup[at..])) && !markup.contains(['<', '>'])
}

#[track_caller]
fn check_limits(payload: &Value) {
    assert!(length(&payload["text"]) <= 4000);
    assert!(is_escaped(payload["text"].as_str().unwrap()));
    let blocks = payload["blocks"].as_array().unwrap();
    assert!(!blocks.is_empty() && blocks.len() <= 50);
    for block in blocks {
        match block["type"].as_str().unwrap() {
            "header" => {
                assert_eq!(block["text"]["type"], "plain_text");
                assert!((1..=150).contains(&length(&block["text"]["text"])));
            }
            "section" => match block.get("fields").and_then(Value::as_array) {
                Some(fields) => {
                    assert!((1..=10).contains(&fields.len()));
                    for field in fields {
                        assert!((1..=2000).contains(&length(&field["text"])));
                        assert!(is_escaped(field["text"].as_str().unwrap()));
                    }
                }
                None => {
                    assert!((1..=3000).contains(&length(&block["text"]["text"])));
                    assert!(is_escaped(block["text"]["text"].as_str().unwrap()));
                }
            },
            "context" => {
                let elements = block["elements"].as_array().unwrap();
                assert!((1..=10).contains(&elements.len()));
                for element in elements {
                    assert!((1..=3000).contains(&length(&element["text"])));
                    let markup = element["text"].as_str().unwrap();
                    let is_link = markup.starts_with("<http") && markup.ends_with('>');
                    let inner = markup.trim_start_matches('<').trim_end_matches('>');
                    assert!(is_escaped(if is_link { inner } else { markup }), "{markup}");
                }
            }
            other => panic!("an unknown block: {other}"),
        }
    }
    assert!(
        texts(&payload["blocks"]) <= 13_000,
        "{}",
        texts(&payload["blocks"])
    );
}

/// How long all texts are together.
fn texts(value: &Value) -> usize {
    match value {
        Value::String(text) => utf16_len(text),
        Value::Array(all) => all.iter().map(texts).sum(),
        Value::Object(all) => all.values().map(texts).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

#[test]
fn a_message_of_escapes_alone_is_within_the_limits() {
    let long: std::sync::Arc<str> = "&".repeat(5000).into();
    let mut notice = scaled();
    notice.cluster = Some(long.clone());
    let changes = vec![
        crate::Change {
            key: long.clone(),
            before: Some(long.clone()),
            after: Some(long),
        };
        100
    ];
    notice.event = Event::PolicyChanged { changes };
    let payload = blocks::payload(&[notice], u32::MAX, &style(Language::Ko));
    check_limits(&payload);
    let total = texts(&payload["blocks"]);
    assert!(total <= 5000, "{total}");
}

#[test]
fn a_digest_of_thousands_is_within_the_limits() {
    for language in [Language::En, Language::Ko] {
        check_limits(&blocks::payload(
            &[any::huge_digest()],
            u32::MAX,
            &style(language),
        ));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_payload_is_beyond_a_limit(message in any::message()) {
        for language in [Language::En, Language::Ko] {
            check_limits(&blocks::payload(&message.notices, message.left_out, &style(language)));
            check_limits(&blocks::payload(message.fresh(), message.left_out, &style(language)));
        }
    }
}
