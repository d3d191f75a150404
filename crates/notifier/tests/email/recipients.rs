//! Several recipients, each of whom is answered for by itself.

use std::time::Duration;

use headroom_notifier::{
    EmailNotifier, Message, Notice, NoticeId, Notifier as _,
    delivery::{
        Addressed, ChannelName, MemoryOutbox, Next, Outbox as _, Plan, QueueBound, Terms, plan, settle,
    },
    testing::{AT, rules, scaled},
};
use headroom_policy_engine::Timestamp;
use headroom_test_support::smtp::{Behavior, Smtp};

use crate::{assert_busy, assert_partly, assert_refused, assert_unanswered, message, plain_options, send};

const THREE: &str = "one@example.com, 김민수 <two@example.com>, three@example.com";

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn one_who_is_refused_costs_the_others_nothing() {
    let server = Smtp::builder().unknown("two@example.com").start().await;
    let result = send(plain_options(&server, THREE)).await;
    assert_partly(
        result,
        "two@example.com: 550 5.1.1 <two@example.com>: there is no such mailbox",
    );
    let received = server.wait_for_received(1).await;
    assert_eq!(received.len(), 1, "one mail, once");
    assert_eq!(received[0].to, ["one@example.com", "three@example.com"]);
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn where_all_are_refused_the_mail_is() {
    let server = Smtp::builder()
        .unknown("one@example.com")
        .unknown("two@example.com")
        .start()
        .await;
    let result = send(plain_options(&server, "one@example.com,two@example.com")).await;
    assert_refused(result, "two@example.com: 550");
    assert_eq!(server.received().len(), 0);
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn one_who_is_greylisted_gets_it_later_and_the_others_once() {
    let server = Smtp::builder()
        .greylisted("two@example.com")
        .unknown("three@example.com")
        .start()
        .await;
    let notifier = EmailNotifier::new(plain_options(&server, THREE)).unwrap();
    assert_unanswered(notifier.send(&message()).await, "two@example.com: 450 4.2.0");
    assert_partly(notifier.send(&message()).await, "three@example.com: 550");
    let received = server.wait_for_received(2).await;
    let to: Vec<_> = received.iter().map(|mail| mail.to.clone()).collect();
    assert_eq!(to, [["one@example.com"], ["two@example.com"]]);
    assert_eq!(
        received[0].content(),
        received[1].content(),
        "it is the same mail"
    );
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn greylisting_then_accepting_is_busy_then_sent() {
    let server = Smtp::builder().greylisted("oncall@example.com").start().await;
    let notifier = EmailNotifier::new(plain_options(&server, "oncall@example.com")).unwrap();
    assert_busy(notifier.send(&message()).await, "450 4.2.0");
    assert_eq!(server.received().len(), 0);
    notifier.send(&message()).await.unwrap();
    assert_eq!(server.wait_for_received(1).await.len(), 1);
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn who_has_it_is_remembered_while_the_server_fails_in_between() {
    let server = Smtp::builder().greylisted("two@example.com").start().await;
    let busy = Smtp::builder().behavior(Behavior::Busy).start().await;
    let busy = format!("smtp://localhost:{}", busy.port());
    let options = plain_options(&server, THREE);
    let url = options.smtp.clone();
    let is_down = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = std::sync::Arc::clone(&is_down);
    let smtp = headroom_notifier::SecretReader::new(move || {
        if seen.load(std::sync::atomic::Ordering::SeqCst) {
            Ok(headroom_notifier::Hidden::new(busy.clone()))
        } else {
            url.read()
        }
    });
    let notifier = EmailNotifier::new(headroom_notifier::EmailOptions { smtp, ..options }).unwrap();
    assert_unanswered(notifier.send(&message()).await, "two@example.com");
    is_down.store(true, std::sync::atomic::Ordering::SeqCst);
    // Not busy, as for a mail that nobody has: what others have goes out once more as it was.
    assert_unanswered(notifier.send(&message()).await, "421 4.3.2 too many connections");
    is_down.store(false, std::sync::atomic::Ordering::SeqCst);
    notifier.send(&message()).await.unwrap();
    let to: Vec<_> = server
        .wait_for_received(2)
        .await
        .into_iter()
        .map(|mail| mail.to)
        .collect();
    assert_eq!(
        to,
        [
            vec!["one@example.com", "three@example.com"],
            vec!["two@example.com"]
        ]
    );
}

/// Sends what is due of `outbox` so many seconds after [`AT`], and records the answer.
async fn deliver(outbox: &MemoryOutbox, notifier: &EmailNotifier, seconds: u64) {
    let channel = ChannelName::from("email.ops");
    let rules = rules();
    let terms = Terms {
        channel: &channel,
        cluster: None,
        rules: &rules,
        can_edit: notifier.can_edit(),
        forgets: notifier.forgets(),
        alternates: &[],
        silences: &[],
    };
    let now: Timestamp = AT.plus(Duration::from_secs(seconds));
    let mut view = outbox.view(&channel).unwrap();
    let Plan {
        changes,
        standing,
        next,
        ..
    } = plan(&terms, &view, now);
    changes.iter().for_each(|change| view.apply(change));
    outbox.apply(&channel, &changes, now).unwrap();
    let Next::Send(draft) = next else {
        panic!("after {seconds} s: {next:?}");
    };
    let message = Message {
        key: draft.key.to_string(),
        notices: outbox.notices(&draft.rows).unwrap(),
        told: 0,
        earlier: None,
        left_out: draft.left_out,
    };
    let answer = notifier.send(&message).await;
    let changes = settle(&terms, &view, &standing, (&draft, &message), &answer, now);
    outbox.apply(&channel, &changes, now).unwrap();
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn what_happens_meanwhile_does_not_bring_anybody_the_same_again() {
    let server = Smtp::builder().greylisted("two@example.com").start().await;
    let to = "one@example.com, two@example.com";
    let notifier = EmailNotifier::new(plain_options(&server, to)).unwrap();
    let outbox = MemoryOutbox::new(QueueBound::USUAL);
    let put = |id: &str| {
        let notice = Notice {
            id: NoticeId(id.into()),
            ..scaled()
        };
        let addressed = Addressed::new(notice, vec!["email.ops".into()]);
        outbox.put(&[addressed], AT).unwrap();
    };
    put("first");
    deliver(&outbox, &notifier, 60).await;
    put("second");
    deliver(&outbox, &notifier, 600).await;
    deliver(&outbox, &notifier, 1200).await;
    let received = server.wait_for_received(3).await;
    let to: Vec<_> = received.iter().map(|mail| mail.to.clone()).collect();
    assert_eq!(
        to,
        [
            vec!["one@example.com"],
            vec!["two@example.com"],
            vec!["one@example.com", "two@example.com"]
        ]
    );
    assert_eq!(
        received[0].content(),
        received[1].content(),
        "it is the same mail"
    );
    assert_ne!(received[1].content(), received[2].content());
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn an_address_outside_of_ascii_goes_to_servers_that_take_it() {
    let to = "민수@example.com, ops@메일.한국";
    let server = Smtp::builder().start().await;
    send(plain_options(&server, to)).await.unwrap();
    let received = server.wait_for_received(1).await;
    assert_eq!(
        received[0].to,
        ["민수@example.com", "ops@xn--h32bq4v.xn--3e0b707e"]
    );
    assert!(
        received[0].options.contains(&"SMTPUTF8".to_owned()),
        "{received:?}"
    );

    let server = Smtp::builder().ascii_only().start().await;
    assert_partly(
        send(plain_options(&server, to)).await,
        "민수@example.com: the server takes only",
    );
    let alone = send(plain_options(&server, "민수@example.com")).await;
    assert_refused(
        alone,
        "민수@example.com: the server takes only addresses in ASCII",
    );
    let received = server.wait_for_received(1).await;
    assert_eq!(received[0].to, ["ops@xn--h32bq4v.xn--3e0b707e"]);
    assert!(received[0].content().is_ascii(), "{}", received[0].content());
}
