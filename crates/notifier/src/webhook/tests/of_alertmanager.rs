use super::*;

#[tokio::test]
async fn alertmanager_gets_alerts_at_its_path() {
    let server = accepting(1).await;
    let [.., alertmanager] = forms(&server);
    alertmanager.send(&message(notices())).await.unwrap();
    let asked = server.asked().remove(0);
    assert_eq!(asked.line, "POST /api/v2/alerts");
    assert_eq!(asked.header("authorization"), Some(BEARER));
    check(&model(), &asked.json());
    check_alerts(&asked.json());
}

/// `postableAlerts` of Alertmanager's API v2, and what Alertmanager checks beyond it.
pub(super) fn model() -> Validator {
    let label_set = json!({
        "type": "object",
        "propertyNames": { "pattern": "^[a-zA-Z_][a-zA-Z0-9_]*$" },
        "additionalProperties": { "type": "string", "minLength": 1 },
    });
    validator(&json!({
        "type": "array",
        "items": {
            "type": "object",
            "required": ["labels"],
            "additionalProperties": false,
            "properties": {
                "startsAt": { "type": "string", "format": "date-time" },
                "endsAt": { "type": "string", "format": "date-time" },
                "annotations": label_set,
                "labels": { "allOf": [label_set, { "required": ["alertname"] }] },
                "generatorURL": { "type": "string", "format": "uri" },
            },
        },
    }))
}

/// No alert begins after it ends, and none is there twice.
#[track_caller]
pub(super) fn check_alerts(alerts: &Value) {
    let alerts = alerts.as_array().unwrap();
    let at = |alert: &Value, name: &str| alert[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    for (index, alert) in alerts.iter().enumerate() {
        assert!(at(alert, "startsAt") <= at(alert, "endsAt"), "{alert:#}");
        assert!(
            alerts
                .iter()
                .skip(index + 1)
                .all(|other| other["labels"] != alert["labels"])
        );
    }
}

#[test]
fn an_alert_fires_until_what_it_tells_of_has_ended() {
    let now = testing::AT.plus(Duration::from_secs(3600));
    let alert = |notice: Notice| alertmanager::alerts(&[notice], &style(Language::En), now)[0].clone();
    let opened = alert(at_max(Stage::Opened));
    let closed = alert(at_max(CLOSED));
    assert_eq!(opened["labels"], closed["labels"]);
    assert_eq!(opened["labels"]["alertname"], "HeadroomAtMax");
    assert_eq!(opened["startsAt"], "2026-05-01T08:30:00Z");
    assert_eq!(opened["endsAt"], "2026-05-31T09:30:00Z");
    assert_eq!(closed["startsAt"], "2026-05-01T08:18:00Z");
    assert_eq!(closed["endsAt"], "2026-05-01T08:30:00Z");
    // Sent an hour late, and still to be told of.
    assert_eq!(alert(scaled())["endsAt"], "2026-05-01T09:45:00Z");
}

#[test]
fn what_ends_under_another_name_ends_the_alert_that_began() {
    let alert = |is_it: fn(&Event) -> bool| {
        let notice = notices().into_iter().find(|notice| is_it(&notice.event)).unwrap();
        alertmanager::alerts(&[notice], &style(Language::En), testing::AT)[0].clone()
    };
    let began = [
        alert(|event| matches!(event, Event::Blind { .. })),
        alert(|event| matches!(event, Event::Fallback { .. })),
        alert(|event| matches!(event, Event::Paused { .. })),
    ];
    let ended = [
        alert(|event| matches!(event, Event::Recovered { from: Unknown::Blind })),
        alert(|event| {
            matches!(
                event,
                Event::Recovered {
                    from: Unknown::Fallback
                }
            )
        }),
        alert(|event| matches!(event, Event::Resumed)),
    ];
    for (began, ended) in began.iter().zip(&ended) {
        assert_eq!(began["labels"], ended["labels"]);
        assert_eq!(ended["startsAt"], "2026-05-01T08:18:00Z");
    }
}

#[test]
fn of_alerts_about_the_same_thing_the_newest_counts() {
    let told = [at_max(Stage::Opened), scaled(), at_max(CLOSED)];
    let alerts = alertmanager::alerts(&told, &style(Language::En), testing::AT);
    let names: Vec<_> = alerts
        .as_array()
        .unwrap()
        .iter()
        .map(|alert| alert["labels"]["event"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["scaled", "at_max"]);
    assert_eq!(alerts[1]["startsAt"], "2026-05-01T08:18:00Z");
}
