use super::*;

fn triggers(notices: &[Notice]) -> Vec<Value> {
    let style = style(Language::En);
    pagerduty::events(notices, &style)
        .map(|event| event.with_key(ROUTING))
        .collect()
}

#[tokio::test]
async fn pagerduty_is_told_of_what_opens_and_what_closes() {
    let server = accepting(2).await;
    let [_, pagerduty, _] = forms(&server);
    let told = message(vec![at_max(Stage::Opened), scaled(), at_max(CLOSED)]);
    pagerduty.send(&told).await.unwrap();
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
