use super::*;

fn triggers(notices: &[Notice]) -> Vec<Value> {
    let style = style(Language::En);
    pagerduty::events(notices, &style)
        .into_iter()
        .map(|event| event.with_key(ROUTING))
        .collect()
}

#[tokio::test]
async fn pagerduty_is_told_of_what_opens_and_what_closes() {
    let server = accepting(2).await;
    let [_, pagerduty, _] = forms(&server);
    for told in [vec![at_max(Stage::Opened), scaled()], vec![at_max(CLOSED)]] {
        pagerduty.send(&message(told)).await.unwrap();
    }
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    assert!(asked.iter().all(|asked| asked.line == "POST /v2/enqueue"));
    let [trigger, resolve] = [asked[0].json(), asked[1].json()];
    assert_eq!(trigger["event_action"], "trigger");
    assert_eq!(trigger["routing_key"], ROUTING);
    assert_eq!(trigger["payload"]["severity"], "warning");
    assert_eq!(
        resolve,
        json!({
            "event_action": "resolve",
            "dedup_key": trigger["dedup_key"],
            "routing_key": ROUTING,
        })
    );
}

#[test]
fn what_is_only_to_be_known_wakes_nobody_and_a_test_does() {
    assert_eq!(triggers(&[scaled(), testing::digest()]), Vec::<Value>::new());
    let test = Notice {
        is_test: true,
        ..scaled()
    };
    let told = triggers(&[test]);
    assert_eq!(told[0]["payload"]["severity"], "info");
    assert!(told[0]["dedup_key"].as_str().unwrap().starts_with("test/"));
}

#[test]
fn what_happens_once_is_an_incident_each_time() {
    let once = |id: &str| Notice {
        id: crate::NoticeId(id.into()),
        severity: Severity::Critical,
        ..scaled()
    };
    let told = triggers(&[once("1"), once("2")]);
    assert_ne!(told[0]["dedup_key"], told[1]["dedup_key"]);
    assert_eq!(told[0]["payload"]["severity"], "critical");
}

#[test]
fn of_several_about_the_same_the_newest_is_told() {
    let told = triggers(&[at_max(Stage::Opened), of_another(Stage::Opened), at_max(CLOSED)]);
    let actions: Vec<_> = told.iter().map(|event| &event["event_action"]).collect();
    assert_eq!(actions, ["trigger", "resolve"]);
    let told = triggers(&[at_max(CLOSED), at_max(Stage::Opened)]);
    assert_eq!((told.len(), &told[0]["event_action"]), (1, &json!("trigger")));
}

/// The keys of the incidents that `server` was told of, in order.
fn keys(server: &Server) -> Vec<String> {
    let keys = server.asked().into_iter().map(|asked| {
        let key = asked.json()["dedup_key"].clone();
        key.as_str().unwrap().to_owned()
    });
    keys.collect()
}

const API: &str = "prod-eu/devtrip/api/at_max";
const WORKER: &str = "prod-eu/devtrip/worker/at_max";

#[tokio::test]
async fn what_is_not_taken_follows_alone_and_in_the_same_message() {
    let took = Act::answer("202 Accepted", &[], "{}");
    let busy = Act::answer("429 Too Many Requests", &[("retry-after", "30")], "");
    let told = message(vec![at_max(Stage::Opened), of_another(Stage::Opened)]);
    let server = Server::start(vec![busy.clone(), took.clone(), busy.clone(), busy, took]).await;
    let [_, pagerduty, _] = forms(&server);
    let first = pagerduty.send(&told).await;
    assert!(matches!(first, Err(SendError::Busy { .. })), "{first:?}");
    for _ in 0..2 {
        // Not busy, as where nothing has arrived: then it could follow in another message.
        let rest = pagerduty.send(&told).await;
        assert!(matches!(rest, Err(SendError::Unanswered { .. })), "{rest:?}");
    }
    pagerduty.send(&told).await.unwrap();
    assert_eq!(keys(&server), [API, API, WORKER, WORKER, WORKER]);
}

#[tokio::test]
async fn one_event_that_is_refused_does_not_keep_the_others_back() {
    let took = Act::answer("202 Accepted", &[], "{}");
    let refused = Act::answer("400 Bad Request", &[], "invalid event");
    let told = message(vec![at_max(Stage::Opened), of_another(Stage::Opened)]);
    let server = Server::start(vec![refused, took.clone(), took]).await;
    let [_, pagerduty, _] = forms(&server);
    let sent = pagerduty.send(&told).await;
    assert!(
        matches!(&sent, Err(SendError::Refused { reason }) if reason.contains("invalid event")),
        "{sent:?}"
    );
    pagerduty.send(&told).await.unwrap();
    assert_eq!(keys(&server), [API, WORKER, API]);
}

#[tokio::test]
async fn no_event_begins_that_could_last_beyond_what_the_message_may_take() {
    let server = accepting(2).await;
    let pagerduty = WebhookNotifier::new(WebhookOptions {
        form: WebhookForm::PagerDuty {
            routing_key: SecretReader::fixed(ROUTING),
            url: SecretReader::fixed(&server.url("/v2/enqueue")),
        },
        style: style(Language::En),
        http: HttpOptions {
            deadline: ALL_EVENTS,
            allow_http: true,
            ca: None,
        },
    })
    .unwrap();
    let told = message(vec![at_max(Stage::Opened), of_another(Stage::Opened)]);
    let sent = pagerduty.send(&told).await;
    assert!(
        matches!(&sent, Err(SendError::Unanswered { reason }) if reason.contains("slow")),
        "{sent:?}"
    );
    pagerduty.send(&told).await.unwrap();
    assert_eq!(keys(&server), [API, WORKER]);
}

#[tokio::test]
async fn its_address_is_read_for_each_message() {
    let servers = [accepting(1).await, accepting(1).await];
    let folder = headroom_test_support::temp_dir();
    let file = folder.path().join("url");
    let read = file.clone();
    let pagerduty = notifier(WebhookForm::PagerDuty {
        routing_key: SecretReader::fixed(ROUTING),
        url: SecretReader::new(move || {
            let text = fs::read_to_string(&read).map_err(|error| error.to_string())?;
            Ok(crate::Hidden::new(text))
        }),
    });
    for server in &servers {
        fs::write(&file, server.url("/v2/enqueue\n")).unwrap();
        pagerduty
            .send(&message(vec![at_max(Stage::Opened)]))
            .await
            .unwrap();
        assert_eq!(keys(server), [API]);
    }
}

#[tokio::test]
async fn pagerduty_that_refuses_says_why() {
    let body = r#"{"status":"invalid event","message":"Event object is invalid","errors":["Length of 'routing_key' is incorrect"]}"#;
    let server = Server::start(vec![Act::answer("400 Bad Request", &[], body)]).await;
    let [_, pagerduty, _] = forms(&server);
    match pagerduty.send(&message(vec![at_max(Stage::Opened)])).await {
        Err(SendError::Refused { reason }) => assert!(reason.contains("Length of 'routing_key'"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub(super) fn check(event: &Value) {
    let length = |value: &Value| value.as_str().map_or(0, utf16_len);
    assert!((1..=255).contains(&event["dedup_key"].as_str().unwrap().len()));
    assert!(event.to_string().len() <= 512 * 1024);
    if event["event_action"] == "trigger" {
        let payload = &event["payload"];
        assert!((1..=1024).contains(&length(&payload["summary"])));
        assert!(["critical", "error", "warning", "info"].contains(&payload["severity"].as_str().unwrap()));
        assert!(length(&payload["source"]) > 0);
        payload["timestamp"]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap();
    }
}
