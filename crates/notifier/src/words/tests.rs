use std::collections::BTreeSet;

use headroom_policy_engine::testing as engine;
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    NoticeId, Severity, any,
    testing::{self, notices},
};

const LANGUAGES: [Language; 2] = [Language::En, Language::Ko];
const LABELS: [Label; 19] = [
    Label::Why,
    Label::Next,
    Label::Command,
    Label::At,
    Label::Cluster,
    Label::Workload,
    Label::Replicas,
    Label::Needed,
    Label::Maximum,
    Label::Minimum,
    Label::Measured,
    Label::Threshold,
    Label::Since,
    Label::Lasted,
    Label::Until,
    Label::By,
    Label::TheirReason,
    Label::Runbook,
    Label::Dashboard,
];

fn style(language: Language) -> Style {
    Style {
        language,
        timezone: TimeZone::get("Asia/Seoul").unwrap(),
    }
}

/// All that `text` says, line by line.
fn plain(text: &Text, language: Language) -> String {
    let word = |label: Label| label.word(language);
    let mut said = format!("{} {}: {}\n", text.mark.symbol(), text.mark_word, text.title);
    let mut line = |label: &str, value: &str| write_into(&mut said, format_args!("{label}: {value}\n"));
    for (label, value) in [(Label::Why, &text.reason), (Label::Next, &text.next)] {
        if let Some(value) = value {
            line(word(label), value);
        }
    }
    for fact in &text.facts {
        line(fact.label, &fact.value);
    }
    line(word(Label::At), &text.at);
    for entry in &text.list {
        write_into(&mut said, format_args!("- {entry}\n"));
    }
    if let Some(left_out) = &text.left_out {
        write_into(&mut said, format_args!("{left_out}\n"));
    }
    write_into(
        &mut said,
        format_args!("{}: {}\n", word(Label::Command), text.command),
    );
    for link in &text.links {
        write_into(&mut said, format_args!("{}: {}\n", link.label, link.url));
    }
    said
}

/// Without what is the same in all of them.
fn all_of(language: Language) -> String {
    let texts = notices().into_iter().map(|notice| {
        let kind = notice.kind().code();
        let mut text = Text::of(&notice, &style(language));
        text.links.clear();
        let whole = plain(&text, language);
        let said = whole.lines().filter(|line| !line.ends_with(" KST"));
        format!("--- {kind}\n{}\n", said.collect::<Vec<_>>().join("\n"))
    });
    texts.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_notice_in_english() {
    insta::assert_snapshot!("en", all_of(Language::En));
}

#[test]
fn every_notice_in_korean() {
    insta::assert_snapshot!("ko", all_of(Language::Ko));
}

#[test]
fn the_book_shows_what_is_said() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/notifications.md");
    let page = std::fs::read_to_string(page).unwrap();
    for language in LANGUAGES {
        let said = plain(&Text::of(&testing::scaled(), &style(language)), language);
        assert!(page.contains(&said), "{said}");
    }
    let burst = plain(
        &Text::of_all(&burst(), 0, &style(Language::En)).unwrap(),
        Language::En,
    );
    assert!(page.contains(burst.lines().next().unwrap()), "{burst}");
    let digest = Text::of(&testing::digest(), &style(Language::En));
    assert!(page.contains(digest.list.first().unwrap()), "{digest:?}");
    let slack = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/slack.md");
    let slack = std::fs::read_to_string(slack).unwrap();
    let scaled = Text::of(&testing::scaled(), &style(Language::En));
    for said in [
        &scaled.title,
        &scaled.reason.unwrap(),
        &scaled.next.unwrap(),
        &scaled.at,
    ] {
        assert!(slack.contains(said.as_str()), "{said}");
    }
}

#[test]
fn nothing_lacks_words() {
    for language in LANGUAGES {
        for label in LABELS {
            assert!(!label.word(language).is_empty(), "{label:?}");
        }
        for notice in notices() {
            let text = Text::of(&notice, &style(language));
            assert!(!text.mark_word.is_empty() && !text.at.is_empty() && !text.command.is_empty());
            assert!(
                text.title.starts_with("prod-eu") && text.title.len() > 15,
                "{text:?}"
            );
            let tells_why = matches!(
                notice.event,
                Event::Scaled { .. }
                    | Event::AtMax { .. }
                    | Event::Error { .. }
                    | Event::Blind { .. }
                    | Event::Fallback { .. }
            );
            let goes_on = !matches!(notice.stage, Stage::Closed { .. });
            assert!(!(tells_why && goes_on) || text.reason.is_some(), "{text:?}");
            assert_eq!(text.links.len(), 2);
        }
    }
}

fn is_hangul(char: char) -> bool {
    ('가'..='힣').contains(&char)
}

/// Words of Latin letters, in small ones.
fn latin_words(text: &str) -> BTreeSet<String> {
    let is_between = |char: char| !(char.is_ascii_alphanumeric() || char == '_');
    text.split(is_between)
        .filter(|word| word.chars().any(|char| char.is_ascii_lowercase()))
        .map(str::to_ascii_lowercase)
        .collect()
}

/// What the examples are given from outside, and what is called the same in every language.
const NOT_OURS: &[&str] = &[
    "prod-eu",
    "devtrip/api",
    "shop/checkout",
    "shop/search",
    "request_rate",
    "queue_length",
    "queue_age",
    "p95_latency",
    "sessions",
    "memory",
    "cpu",
    "0/3 nodes are available: 3 Insufficient cpu.",
    "exceeded quota: pods",
    "the guard against a second scaler",
    "listing horizontalpodautoscalers is forbidden",
    "no series matched",
    "connection refused",
    "black friday <sale> & more",
    "spring sale",
    "HorizontalPodAutoscaler/api",
    "VerticalPodAutoscaler/api",
    "argocd-controller",
    "helm",
    "headroom(headroom-1a2b3c4d)",
    "updateMode Recreate",
    "updatePolicy.updateMode",
    "\"Off\"",
    "containerPolicies",
    "controlledResources",
    "anna",
    "slack.ops",
    "`night`",
    "ALERTS{alertname=\"Outage\"}",
    "load 그룹",
    "spec.replicas",
    "/spec/replicas",
    "Argo CD",
    "ignoreDifferences",
    "mode = \"shadow\"",
    "metrics.users.per_replica",
    "max_replicas",
    "scale_down.stabilization: 5m",
    "headroom resume",
    "headroom override",
    "--clear",
];

#[test]
fn no_english_is_left_over_in_korean() {
    let mut english: BTreeSet<String> = BTreeSet::new();
    for step in engine::steps() {
        english.extend(latin_words(&step.to_string()));
    }
    for hold in engine::holds() {
        english.extend(latin_words(&hold.to_string()));
    }
    for notice in notices() {
        english.extend(latin_words(&plain(
            &Text::of(&notice, &style(Language::En)),
            Language::En,
        )));
    }
    assert!(english.contains("wanted") && english.contains("resolved"));
    for notice in notices() {
        let text = Text::of(&notice, &style(Language::Ko));
        assert!(text.title.chars().any(is_hangul), "{}", text.title);
        let sentences = text.reason.iter().chain(&text.next).chain(&text.list);
        let facts = text.facts.iter().map(|fact| &fact.value);
        for said in sentences.chain(facts).chain([&text.title]) {
            // The longest first, of which others are parts.
            let mut not_ours = NOT_OURS.to_vec();
            not_ours.sort_by_key(|name| std::cmp::Reverse(name.len()));
            let ours = not_ours
                .iter()
                .fold(said.clone(), |said, name| said.replace(name, ""));
            let left: Vec<_> = latin_words(&ours).intersection(&english).cloned().collect();
            assert!(left.is_empty(), "{left:?} in {said}");
        }
    }
}

#[test]
fn korean_sentences_end_as_sentences_do() {
    for notice in notices() {
        let text = Text::of(&notice, &style(Language::Ko));
        let is_theirs = matches!(notice.event, Event::Error { .. } | Event::Held { .. });
        for said in text.reason.iter().filter(|_| !is_theirs).chain(&text.next) {
            let ends = said.ends_with("니다.") || said.ends_with("시오).") || said.contains("니다: headroom");
            let cites = said.ends_with(").");
            assert!(ends || cites, "{said}");
        }
    }
}

#[test]
fn spans_are_said_as_koreans_say_them() {
    for (millis, text) in [
        (500, "0.5초"),
        (40_000, "40초"),
        (120_000, "2분"),
        (90_000, "1분 30초"),
        (5_400_000, "1시간 30분"),
        (129_600_000, "36시간"),
        (172_800_000, "2일"),
        (1_795_698_000_000, "20783일 13시간"),
    ] {
        assert_eq!(ko::Korean.span(Duration::from_millis(millis)), text);
    }
}

#[test]
fn a_test_is_marked_as_one() {
    let notice = Notice {
        is_test: true,
        ..testing::scaled()
    };
    for (language, title) in [
        (Language::En, "[test] prod-eu devtrip/api: 4 → 6 replicas"),
        (Language::Ko, "[테스트] prod-eu devtrip/api: 레플리카 4개 → 6개"),
    ] {
        assert_eq!(Text::of(&notice, &style(language)).title, title);
    }
}

#[test]
fn a_title_without_names_is_about_headroom() {
    let notice = Notice {
        cluster: None,
        workload: None,
        ..testing::digest()
    };
    let text = Text::of(&notice, &style(Language::En));
    assert!(
        text.title
            .starts_with("headroom: 30 Apr 17:30 to 1 May 17:30: 15 changes"),
        "{text:?}"
    );
}

#[test]
fn a_digest_of_the_day_before_is_of_yesterday() {
    let at = |text: &str| {
        let zoned: Zoned = text.parse().unwrap();
        Timestamp::from_unix_millis(zoned.timestamp().as_millisecond())
    };
    let mut notice = testing::digest();
    notice.at = at("2026-05-02T09:00:00+09:00[Asia/Seoul]");
    let title = |notice: &Notice, language| Text::of(notice, &style(language)).title;
    if let Event::Digest(digest) = &mut notice.event {
        digest.since = at("2026-05-01T00:00:00+09:00[Asia/Seoul]");
        digest.until = at("2026-05-02T00:00:00+09:00[Asia/Seoul]");
    }
    let said = "prod-eu: yesterday: 15 changes in 3 workloads, 57 quiet, 425 replica-hours against 480 fixed";
    assert_eq!(title(&notice, Language::En), said);
    let said = "prod-eu: 어제: 워크로드 3개에서 변경 15회, 조용한 워크로드 57개, 레플리카 시간 425(고정 운영 시 480)";
    assert_eq!(title(&notice, Language::Ko), said);
    notice.at = at("2026-05-03T09:00:00+09:00[Asia/Seoul]");
    assert!(title(&notice, Language::En).starts_with("prod-eu: 1 May 00:00 to 2 May 00:00: "));
}

/// A burst from 4 to 9 in three changes, the last now.
fn burst() -> Vec<Notice> {
    let steps = [(4, 6, 4), (6, 8, 2), (8, 9, 0)];
    let change = |(from, to, minutes): (u32, u32, u64)| {
        let mut notice = testing::scaled();
        notice.id = NoticeId(format!("change-{to}").into());
        notice.at = testing::AT.minus(Duration::from_secs(minutes * 60));
        if let Event::Scaled {
            from: was, to: is, ..
        } = &mut notice.event
        {
            (*was, *is) = (
                headroom_policy_engine::Replicas::new(from),
                headroom_policy_engine::Replicas::new(to),
            );
        }
        notice
    };
    steps.map(change).into()
}

#[test]
fn a_burst_is_said_at_once() {
    let said: Vec<_> = LANGUAGES
        .into_iter()
        .map(|language| plain(&Text::of_all(&burst(), 2, &style(language)).unwrap(), language))
        .collect();
    insta::assert_snapshot!("burst", said.join("\n"));
}

#[test]
fn several_notices_of_one_workload_are_led_by_the_newest() {
    let is_at_max = |notice: &Notice| matches!(notice.event, Event::AtMax { .. });
    let mut several = burst();
    several.extend(notices().into_iter().filter(is_at_max));
    let said = |language| plain(&Text::of_all(&several, 0, &style(language)).unwrap(), language);
    insta::assert_snapshot!("of-one", LANGUAGES.map(said).join("\n"));
}

#[test]
fn notices_of_several_workloads_are_counted() {
    let mut several = burst();
    for notice in several.iter_mut().skip(1) {
        notice.workload = "shop/checkout".parse().ok();
    }
    let said = |language| plain(&Text::of_all(&several, 0, &style(language)).unwrap(), language);
    insta::assert_snapshot!("of-several", LANGUAGES.map(said).join("\n"));
}

#[test]
fn those_who_are_not_named_are_counted_too() {
    let mut several = burst();
    several.truncate(2);
    several[0].also = 5;
    several[1].also = 2;
    several[1].workload = "shop/checkout".parse().ok();
    let said = |language| Text::of_all(&several, 0, &style(language)).unwrap();
    let english = said(Language::En);
    assert!(
        english.title.contains("2 notices about at least 6 workloads"),
        "{english:?}"
    );
    assert!(
        english.list[0].contains("shop/checkout and 2 more: "),
        "{english:?}"
    );
    let korean = said(Language::Ko);
    assert!(
        korean.title.contains("워크로드 6개 이상에 대한 알림 2건"),
        "{korean:?}"
    );
}

#[test]
fn what_goes_on_marks_a_group_and_what_has_ended_does_not() {
    let of = |severity, stage, max| {
        let event = Event::AtMax {
            max: headroom_policy_engine::Replicas::new(max),
            wanted: headroom_policy_engine::Replicas::new(13),
            why: Vec::new(),
        };
        testing::notice(severity, stage, event)
    };
    let closed = Stage::Closed {
        after: Duration::from_secs(720),
    };
    let opened = of(Severity::Warning, Stage::Opened, 10);
    let ended = of(Severity::Warning, closed, 10);
    let error = notices()
        .into_iter()
        .find(|notice| notice.severity == Severity::Critical && notice.stage == Stage::Opened)
        .unwrap();
    let mark = |notices: &[&Notice]| Mark::of_all(&notices.iter().copied().cloned().collect::<Vec<_>>());
    let scaled = testing::scaled();
    assert_eq!(mark(&[&scaled, &scaled]), Mark::Info);
    assert_eq!(mark(&[&opened, &scaled]), Mark::Warning);
    assert_eq!(mark(&[&opened, &ended]), Mark::Resolved);
    assert_eq!(mark(&[&opened, &scaled, &ended]), Mark::Resolved);
    assert_eq!(mark(&[&ended, &opened]), Mark::Warning);
    assert_eq!(mark(&[&error, &opened, &ended]), Mark::Critical);
}

#[test]
fn a_link_is_whole_or_absent() {
    let mut notice = testing::scaled();
    notice.links.dashboard = Some(format!("https://example.com/{}", "x".repeat(MAX_URL)).into());
    let text = Text::of(&notice, &style(Language::En));
    let labels: Vec<_> = text.links.iter().map(|link| link.label).collect();
    assert_eq!(labels, ["Runbook"]);
}

#[track_caller]
fn check_limits(text: &Text) {
    let check = |said: &str, max: usize| {
        assert!(utf16_len(said) <= max, "{} above {max}: {said}", utf16_len(said));
        assert_eq!(one_line(said), said);
    };
    check(&text.title, MAX_TITLE);
    check(text.reason.as_deref().unwrap_or_default(), MAX_REASON);
    check(text.next.as_deref().unwrap_or_default(), MAX_NEXT);
    check(&text.command, MAX_COMMAND);
    check(text.cluster.as_deref().unwrap_or_default(), MAX_VALUE);
    check(text.workload.as_deref().unwrap_or_default(), MAX_VALUE);
    assert!(text.list.len() <= MAX_LINES && text.facts.len() <= 6);
    text.list.iter().for_each(|line| check(line, MAX_LINE));
    text.facts.iter().for_each(|fact| check(&fact.value, MAX_VALUE));
    text.links.iter().for_each(|link| check(&link.url, MAX_URL));
    assert!(!text.title.is_empty());
}

#[test]
fn a_digest_of_thousands_says_how_many_more_there_are() {
    for (language, more) in [(Language::En, "and 4976 more"), (Language::Ko, "그 밖에 4976건")] {
        let text = Text::of(&any::huge_digest(), &style(language));
        check_limits(&text);
        assert_eq!(text.list.last().map(String::as_str), Some(more));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_text_is_longer_than_its_limit(notices in vec(any::notice(), 1..6), left_out: u32) {
        for language in LANGUAGES {
            for notice in &notices {
                check_limits(&Text::of(notice, &style(language)));
            }
            let text = Text::of_all(&notices, left_out, &style(language)).unwrap();
            check_limits(&text);
            prop_assert_eq!(text.left_out.is_some(), left_out > 0);
        }
    }
}
