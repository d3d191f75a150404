use std::{collections::BTreeSet, sync::Arc};

use headroom_test_support::{Alertmanager, wait_for_seen};

use super::*;
use crate::{
    NoticeId, Text,
    delivery::{Addressed, Channel, ChannelName, Dispatcher, MemoryOutbox, Outbox, Parts, QueueBound},
};

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

/// What tells the real one.
fn to(alertmanager: &Alertmanager) -> WebhookNotifier {
    notifier(WebhookForm::Alertmanager {
        url: SecretReader::fixed(&alertmanager.url()),
        authorization: None,
    })
}

/// What the real one told its receiver of, in order: the status of each alert, and its summary.
fn told(receiver: &Server) -> Vec<String> {
    let asked = receiver.asked();
    let alerts = asked.iter().flat_map(|asked| {
        let alerts = asked.json()["alerts"].as_array().unwrap().clone();
        alerts.into_iter().map(|alert| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            format!(
                "{}: {}",
                text(&alert["status"]),
                text(&alert["annotations"]["summary"])
            )
        })
    });
    alerts.collect()
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_real_alertmanager_tells_of_what_opens_of_its_end_and_of_the_next_time() {
    let receiver = Server::start(vec![Act::answer("200 OK", &[("connection", "close")], ""); 12]).await;
    let alertmanager = Alertmanager::start(&receiver.url("/oncall")).await;
    let channel = to(&alertmanager);
    let mut expected = Vec::new();
    for (stage, status) in [
        (Stage::Opened, "firing"),
        (CLOSED, "resolved"),
        (Stage::Opened, "firing"),
    ] {
        let notice = Notice {
            at: now(),
            ..at_max(stage)
        };
        channel.send(&Message::of(notice.clone())).await.unwrap();
        let fires = alertmanager.firing().await.len();
        assert_eq!(fires, usize::from(stage == Stage::Opened), "{status}");
        expected.push(format!(
            "{status}: {}",
            Text::of(&notice, &style(Language::En)).title
        ));
        let what = format!("Alertmanager has told {expected:?}");
        wait_for_seen(Duration::from_secs(60), &what, async || {
            let told = told(&receiver);
            if told == expected {
                Ok(())
            } else {
                Err(format!("{told:?}"))
            }
        })
        .await;
    }
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_real_alertmanager_takes_every_notice_as_it_is() {
    let receiver = Server::start(Vec::new()).await;
    let alertmanager = Alertmanager::start(&receiver.url("/oncall")).await;
    let fires = |notice: &Notice| !matches!(notice.stage, Stage::Closed { .. });
    let notices: Vec<Notice> = notices().into_iter().filter(fires).collect();
    to(&alertmanager).send(&message(notices.clone())).await.unwrap();

    let said = |alert: &Value| format!("{} {}", alert["labels"], alert["annotations"]);
    let sent = alertmanager::alerts(&notices, &style(Language::En), now());
    let sent: BTreeSet<String> = sent.as_array().unwrap().iter().map(said).collect();
    let firing: BTreeSet<String> = alertmanager.firing().await.iter().map(said).collect();
    assert_eq!(firing, sent);
    assert!(firing.len() > 20, "{}", firing.len());
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_real_alertmanager_that_starts_anew_hears_again_of_what_goes_on() {
    let receiver = Server::start(Vec::new()).await;
    let mut alertmanager = Alertmanager::start(&receiver.url("/oncall")).await;
    let outbox = Arc::new(MemoryOutbox::new(QueueBound::USUAL));
    let name = ChannelName::from("webhook.alerts");
    let dispatcher = Dispatcher::new(Parts {
        channels: vec![Channel {
            name: name.clone(),
            notifier: Arc::new(to(&alertmanager)),
            rules: testing::rules(),
            alternates: Vec::new(),
        }],
        outbox: Arc::clone(&outbox) as Arc<dyn Outbox>,
        now: Arc::new(now),
        cluster: None,
    });
    let deadline = Duration::from_secs(60);
    let opened = Addressed::new(at_max(Stage::Opened), vec![name.clone()]);
    outbox.put(&[opened], now()).unwrap();
    assert_eq!(dispatcher.flush(deadline).await, 1);
    assert_eq!(alertmanager.firing().await.len(), 1);

    alertmanager.start_anew().await;
    assert_eq!(alertmanager.firing().await.len(), 0, "it has forgotten it");
    assert_eq!(dispatcher.flush(deadline).await, 0, "there is nothing new");
    assert_eq!(alertmanager.firing().await.len(), 1);

    let closed = Notice {
        id: NoticeId("closed".into()),
        ..at_max(CLOSED)
    };
    outbox.put(&[Addressed::new(closed, vec![name])], now()).unwrap();
    dispatcher.flush(deadline).await;
    assert_eq!(alertmanager.firing().await.len(), 0);
}
