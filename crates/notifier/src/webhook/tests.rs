mod of_alertmanager;
mod of_pagerduty;

use std::{fs, process::Command, time::Duration};

use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    Event, EventKind, Language, Notice, Severity, Stage, Unknown, any,
    script::{Act, Asked, Server},
    testing::{self, notices, scaled},
    words::utf16_len,
};

const PATH: &str = "/hooks/s3cret-path";
const KEY: &str = "s3cret-signing-key";
const ROUTING: &str = "0123456789abcdef0123456789s3cret";
const BEARER: &str = "Bearer s3cret-token";

fn style(language: Language) -> Style {
    Style {
        language,
        timezone: jiff::tz::TimeZone::get("Asia/Seoul").unwrap(),
    }
}

fn notifier(form: WebhookForm) -> WebhookNotifier {
    headroom_test_support::install_tls();
    WebhookNotifier::new(WebhookOptions {
        form,
        style: style(Language::En),
        http: HttpOptions {
            allow_http: true,
            ..HttpOptions::default()
        },
    })
    .unwrap()
}

/// headroom's own form, PagerDuty's and Alertmanager's, all at `server`.
fn forms(server: &Server) -> [WebhookNotifier; 3] {
    [
        WebhookForm::Json {
            url: SecretReader::fixed(&server.url(PATH)),
            secret: Some(SecretReader::fixed(&format!("{KEY}\n"))),
            authorization: Some(SecretReader::fixed(BEARER)),
        },
        WebhookForm::PagerDuty {
            routing_key: SecretReader::fixed(ROUTING),
            url: SecretReader::fixed(&server.url("/v2/enqueue")),
        },
        WebhookForm::Alertmanager {
            url: SecretReader::fixed(&server.url("")),
            authorization: Some(SecretReader::fixed(BEARER)),
        },
    ]
    .map(notifier)
}

async fn accepting(count: usize) -> Server {
    Server::start(vec![Act::answer("202 Accepted", &[], "{}"); count]).await
}

fn at_max(stage: Stage) -> Notice {
    let is_it = |notice: &Notice| notice.stage == stage && matches!(notice.event, Event::AtMax { .. });
    notices().into_iter().find(is_it).unwrap()
}

/// The same about another workload.
fn of_another(stage: Stage) -> Notice {
    Notice {
        workload: "devtrip/worker".parse().ok(),
        ..at_max(stage)
    }
}

const CLOSED: Stage = Stage::Closed {
    after: Duration::from_secs(720),
};

fn message(notices: Vec<Notice>) -> Message {
    Message {
        notices,
        ..Message::of(scaled())
    }
}

/// The published schema, and nothing in an object beside what it names.
fn strict() -> Validator {
    let mut schema = notice_schema();
    let close = |object: &mut Value| {
        let is_object = object.get("properties").is_some();
        let is_choice = object["oneOf"][0].get("properties").is_some();
        if is_object && !is_choice {
            object["unevaluatedProperties"] = json!(false);
        }
        if is_choice {
            object["unevaluatedProperties"] = json!(false);
        }
    };
    close(&mut schema);
    for (name, object) in schema["$defs"].as_object_mut().unwrap() {
        // Parts of others, which close them.
        if !["Why", "Condition", "Operator"].contains(&name.as_str()) {
            close(object);
        }
    }
    validator(&schema)
}

fn validator(schema: &Value) -> Validator {
    jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(schema)
        .unwrap()
}

#[track_caller]
fn check(validator: &Validator, object: &Value) {
    let errors: Vec<_> = validator
        .iter_errors(object)
        .map(|error| format!("{} at {}", error, error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}\nin {object:#}");
}

/// `openssl`, which signs anew what was signed.
fn openssl(key: &str, message: &str) -> String {
    let folder = headroom_test_support::temp_dir();
    let file = folder.path().join("message");
    fs::write(&file, message).unwrap();
    let output = Command::new("openssl")
        .args(["dgst", "-sha256", "-hmac", key, "-r"])
        .arg(&file)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().next().unwrap_or_default().to_owned()
}

#[test]
fn every_notice_is_as_the_schema_says() {
    let validator = strict();
    for language in [Language::En, Language::Ko] {
        for notice in notices() {
            let kind = notice.kind();
            let object = object::of(&Message::of(notice), &style(language));
            check(&validator, &object);
            assert_eq!(object["notices"][0]["event"]["kind"], kind.code());
        }
    }
}

#[test]
fn the_schema_has_every_kind_of_event_and_no_other() {
    let schema = notice_schema();
    let kinds: Vec<_> = schema["$defs"]["Event"]["oneOf"]
        .as_array()
        .unwrap()
        .iter()
        .map(|choice| choice["properties"]["kind"]["const"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, EventKind::ALL.map(EventKind::code));
}

#[test]
fn what_the_schema_does_not_name_is_refused() {
    let mut object = object::of(&Message::of(scaled()), &style(Language::En));
    object["notices"][0]["event"]["surprise"] = json!(1);
    assert!(!strict().is_valid(&object));
    let mut object = object::of(&Message::of(scaled()), &style(Language::En));
    object["version"] = json!(2);
    assert!(!validator(&notice_schema()).is_valid(&object));
}

#[test]
fn a_message_as_it_is_sent() {
    headroom_test_support::install_tls();
    let messages = [
        message(vec![scaled(), at_max(Stage::Opened)]),
        message(vec![testing::digest()]),
    ];
    let said = messages.map(|message| format!("{:#}", object::of(&message, &style(Language::En))));
    insta::assert_snapshot!("json", said.join("\n"));
    let both = message(vec![at_max(Stage::Opened), of_another(CLOSED), scaled()]);
    let pagerduty = notifier(WebhookForm::PagerDuty {
        routing_key: SecretReader::fixed(ROUTING),
        url: SecretReader::fixed(PAGERDUTY_EVENTS),
    });
    insta::assert_snapshot!("pagerduty", pagerduty.preview(&both));
    let alertmanager = notifier(WebhookForm::Alertmanager {
        url: SecretReader::fixed("https://alertmanager.example.com"),
        authorization: None,
    });
    let different = message(vec![at_max(Stage::Opened), scaled()]);
    let closed = message(vec![at_max(Stage::Opened), at_max(CLOSED)]);
    let said = [different, closed].map(|message| alertmanager.preview(&message));
    insta::assert_snapshot!("alertmanager", said.join("\n"));
}

#[tokio::test]
async fn a_message_is_signed_so_that_others_can_check_it() {
    let server = accepting(1).await;
    let [json, ..] = forms(&server);
    let message = Message {
        notices: notices(),
        told: 1,
        key: "c0ffee-7".to_owned(),
        ..Message::of(scaled())
    };
    json.send(&message).await.unwrap();
    let asked = server.asked().remove(0);
    assert_eq!(asked.line, format!("POST {PATH}"));
    assert_eq!(asked.header("idempotency-key"), Some("c0ffee-7"));
    assert_eq!(asked.header("authorization"), Some(BEARER));
    assert_eq!(asked.header("content-type"), Some("application/json"));
    assert_eq!(
        asked.json()["notices"].as_array().unwrap().len(),
        notices().len() - 1
    );
    check(&strict(), &asked.json());
    let timestamp = asked.header("headroom-timestamp").unwrap();
    let signature = asked.header("headroom-signature").unwrap();
    let signed = format!("{timestamp}.{}", asked.body);
    assert_eq!(signature, format!("v1={}", openssl(KEY, &signed)));
    let age = now().unix_millis() / 1000 - timestamp.parse::<i64>().unwrap();
    assert!((0..=60).contains(&age), "{age}");
}

#[tokio::test]
async fn the_receivers_of_the_book_take_what_is_signed_and_nothing_else() {
    let server = accepting(1).await;
    let [json, ..] = forms(&server);
    json.send(&message(notices())).await.unwrap();
    let asked = server.asked().remove(0);
    let changed = Asked {
        body: asked.body.replacen("devtrip", "devtrap", 1),
        ..asked.clone()
    };
    // Signed as it should be, and long ago.
    let signed = signature::sign(
        KEY,
        Timestamp::from_unix_millis(1_700_000_000_000),
        asked.body.as_bytes(),
    );
    let mut old = asked.clone();
    for (name, value) in &mut old.headers {
        match name.as_str() {
            "headroom-timestamp" => signed.timestamp.to_str().unwrap().clone_into(value),
            "headroom-signature" => signed.signature.to_str().unwrap().clone_into(value),
            _ => {}
        }
    }
    for language in ["python", "sh"] {
        assert!(book_takes(language, &asked), "{language}");
        assert!(!book_takes(language, &changed), "{language}");
        assert!(!book_takes(language, &old), "{language}");
    }
}

/// Whether the example of the book in `language` takes what was asked.
fn book_takes(language: &str, asked: &Asked) -> bool {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/webhooks.md");
    let page = fs::read_to_string(page).unwrap();
    let begins = format!("```{language}\n# verify");
    let (_, rest) = page.split_once(&begins).unwrap();
    let (script, _) = rest.split_once("\n```").unwrap();
    let folder = headroom_test_support::temp_dir();
    let [script_file, body] = ["verify", "body.json"].map(|name| folder.path().join(name));
    fs::write(&script_file, format!("# verify{script}\n")).unwrap();
    fs::write(&body, &asked.body).unwrap();
    let program = if language == "python" { "python3" } else { "sh" };
    let status = Command::new(program)
        .arg(&script_file)
        .arg(&body)
        .env("HEADROOM_SECRET", KEY)
        .env("HEADROOM_TIMESTAMP", asked.header("headroom-timestamp").unwrap())
        .env("HEADROOM_SIGNATURE", asked.header("headroom-signature").unwrap())
        .status()
        .unwrap();
    status.success()
}

#[tokio::test]
async fn an_unsigned_message_has_no_signature() {
    let server = accepting(1).await;
    let plain = notifier(WebhookForm::Json {
        url: SecretReader::fixed(&server.url("/x")),
        secret: None,
        authorization: None,
    });
    plain.send(&Message::of(scaled())).await.unwrap();
    let asked = server.asked().remove(0);
    for header in ["headroom-signature", "headroom-timestamp", "authorization"] {
        assert_eq!(asked.header(header), None);
    }
}

#[tokio::test]
async fn an_empty_secret_signs_nothing() {
    let server = accepting(0).await;
    let empty = notifier(WebhookForm::Json {
        url: SecretReader::fixed(&server.url("/x")),
        secret: Some(SecretReader::fixed(" \n")),
        authorization: None,
    });
    let error = empty.send(&Message::of(scaled())).await.unwrap_err();
    assert!(error.to_string().contains("is empty"), "{error}");
}

#[test]
fn a_key_that_no_header_may_have_is_stood_for() {
    assert_eq!(idempotency_key("c0ffee/7"), "c0ffee/7");
    for key in ["", "two words", "한글", "line\nbreak", &"x".repeat(256)] {
        assert_eq!(idempotency_key(key).len(), 64, "{key}");
    }
    assert_eq!(
        idempotency_key(""),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
}

#[test]
fn what_leads_to_no_page_is_no_link_of_an_object_either() {
    let mut notice = scaled();
    notice.links.runbook = Some("javascript:alert(1)".into());
    notice.links.dashboard = Some("https://user:pass@g.example/d|1".into());
    let object = object::of(&Message::of(notice), &style(Language::En));
    assert_eq!(object["notices"][0]["runbook"], Value::Null);
    assert_eq!(object["notices"][0]["dashboard"], "https://g.example/d%7C1");
}

#[tokio::test]
async fn nothing_that_is_said_has_a_secret_in_it() {
    let mut said = Vec::new();
    for (index, echo) in [
        format!("{PATH} {KEY} s3cret-token"),
        ROUTING.to_owned(),
        "s3cret-token".to_owned(),
    ]
    .iter()
    .enumerate()
    {
        for act in [
            Act::answer("400 Bad Request", &[], echo),
            Act::answer("500 Oops", &[], echo),
            Act::answer("429 Too Many Requests", &[], echo),
            Act::answer("302 Found", &[("location", PATH)], echo),
            Act::HangUp,
        ] {
            let server = Server::start(vec![act]).await;
            let notifier = &forms(&server)[index];
            let told = message(vec![at_max(Stage::Opened)]);
            let sent = notifier.send(&told).await;
            let error = sent.as_ref().unwrap_err();
            said.push(format!(
                "{notifier:?} {error:?} {error} {}",
                notifier.preview(&told)
            ));
        }
    }
    let bad = notifier(WebhookForm::Json {
        url: SecretReader::fixed("no url, s3cret"),
        secret: None,
        authorization: None,
    });
    said.push(format!("{:?}", bad.send(&Message::of(scaled())).await));
    for text in said {
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[test]
fn a_digest_of_thousands_says_how_many_more_there_are() {
    let object = object::of(&Message::of(any::huge_digest()), &style(Language::En));
    check(&strict(), &object);
    let digest = &object["notices"][0]["event"];
    assert_eq!(digest["workloads"].as_array().unwrap().len(), 500);
    assert_eq!(digest["more"], 4500);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    #[test]
    fn whatever_happens_is_within_every_form(message in any::message(), now: i64) {
        let style = style(Language::Ko);
        check(&strict(), &object::of(&message, &style));
        let mut told = message.notices;
        for notice in &mut told {
            // So that it is an event.
            notice.severity = notice.severity.max(Severity::Warning);
        }
        for event in pagerduty::events(&told, &style) {
            of_pagerduty::check(&event.with_key(ROUTING));
        }
        let now = Timestamp::from_unix_millis(now);
        let alerts = alertmanager::alerts(&told, &style, now);
        check(&of_alertmanager::model(), &alerts);
        of_alertmanager::check_alerts(&alerts);
    }
}
