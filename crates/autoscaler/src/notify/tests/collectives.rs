//! What is the same about many workloads is told once, and nothing else is held back by that.

use headroom_notifier::{Event, Severity, Stage, Unknown, delivery::Addressed};

use super::{at, closed, router, told_to};
use crate::notify::{News, collective::Collectives, router::About};

/// What `ops` is told of the workloads `names`, in this stage.
fn of_all(names: &[&str], seconds: u64, stage: Stage) -> Vec<Addressed> {
    let (router, routes) = router();
    let told = names.iter().map(|name| {
        let workload = format!("shop/{name}").parse().unwrap();
        let event = match stage {
            Stage::Closed { .. } => Event::Recovered { from: Unknown::Blind },
            Stage::Once | Stage::Opened => Event::Blind { metrics: Vec::new() },
        };
        let about = About {
            workload: Some(&workload),
            routes: &routes,
        };
        let news = News {
            at: at(seconds),
            severity: Severity::Warning,
            stage,
            event,
        };
        router.address(about, news).unwrap()
    });
    told.collect()
}

/// What `ops` is told once what is the same is put together.
fn folded(collectives: &mut Collectives, mut told: Vec<Addressed>) -> Vec<(String, u32, Stage)> {
    collectives.fold(&mut told);
    let to_ops = told.iter().filter(|one| !one.to.is_empty());
    let notices = to_ops.map(|one| {
        assert_eq!(told_to(one), ["ops"]);
        &one.notice
    });
    notices.map(|one| (one.incident(), one.also, one.stage)).collect()
}

/// The incident of several workloads that began after so many seconds.
fn of_several(seconds: u64) -> String {
    format!("prod-eu/*/blind/{}", at(seconds).unix_millis())
}

#[test]
fn the_same_about_many_workloads_is_told_once_and_closed_with_the_last_of_them() {
    let all = of_several(0);
    let mut collectives = Collectives::default();
    let told = folded(
        &mut collectives,
        of_all(&["a", "b", "c", "d", "e"], 0, Stage::Opened),
    );
    assert_eq!(told, [(all.clone(), 4, Stage::Opened)]);
    assert_eq!(
        folded(&mut collectives, of_all(&["f"], 30, Stage::Opened)),
        [],
        "it joins them"
    );
    let text = serde_json::to_string(&collectives).unwrap();
    let mut collectives: Collectives = serde_json::from_str(&text).unwrap();
    assert_eq!(
        folded(
            &mut collectives,
            of_all(&["a", "b", "c", "d", "e"], 60, closed(60))
        ),
        []
    );
    let told = folded(&mut collectives, of_all(&["f"], 90, closed(60)));
    assert_eq!(told, [(all, 4, closed(90))]);
    assert_eq!(collectives, Collectives::default());
}

#[test]
fn the_same_about_few_workloads_is_told_of_each() {
    let mut collectives = Collectives::default();
    let each = |stage| {
        ["a", "b", "c"]
            .map(|name| (format!("prod-eu/shop/{name}/blind"), 0, stage))
            .to_vec()
    };
    let told = folded(&mut collectives, of_all(&["a", "b", "c"], 0, Stage::Opened));
    assert_eq!(told, each(Stage::Opened));
    let told = folded(&mut collectives, of_all(&["a", "b", "c"], 60, closed(60)));
    assert_eq!(told, each(closed(60)));
}

#[test]
fn what_was_told_of_one_before_many_followed_is_closed_by_itself() {
    let mut collectives = Collectives::default();
    folded(&mut collectives, of_all(&["z"], 0, Stage::Opened));
    folded(&mut collectives, of_all(&["a", "b", "c", "d"], 30, Stage::Opened));
    let told = folded(&mut collectives, of_all(&["z"], 60, closed(60)));
    assert_eq!(told, [("prod-eu/shop/z/blind".to_owned(), 0, closed(60))]);
}

#[test]
fn what_begins_long_after_the_same_about_many_is_told_of_for_itself() {
    let many = ["a", "b", "c", "d"];
    let mut collectives = Collectives::default();
    folded(&mut collectives, of_all(&many, 0, Stage::Opened));
    folded(&mut collectives, of_all(&many[1..], 60, closed(60)));
    // One of them still goes on, hours later.
    let told = folded(&mut collectives, of_all(&["e"], 7200, Stage::Opened));
    assert_eq!(told, [("prod-eu/shop/e/blind".to_owned(), 0, Stage::Opened)]);
    let again = ["b", "c", "d", "f"];
    let told = folded(&mut collectives, of_all(&again, 7230, Stage::Opened));
    assert_eq!(told, [(of_several(7230), 3, Stage::Opened)]);
    assert_eq!(
        folded(&mut collectives, of_all(&["e"], 7260, closed(60))),
        [("prod-eu/shop/e/blind".to_owned(), 0, closed(60))]
    );
    let told = folded(&mut collectives, of_all(&again, 7290, closed(60)));
    assert_eq!(told, [(of_several(7230), 3, closed(60))]);
    let told = folded(&mut collectives, of_all(&["a"], 7320, closed(7320)));
    assert_eq!(told, [(of_several(0), 3, closed(7320))]);
    assert_eq!(collectives, Collectives::default());
}

#[test]
fn what_ended_with_a_workload_that_a_channel_is_not_told_of_by_now_has_ended_there_too() {
    let mut collectives = Collectives::default();
    let many = ["a", "b", "c", "d"];
    folded(&mut collectives, of_all(&many, 0, Stage::Opened));
    let mut ended = of_all(&many, 60, closed(60));
    ended.iter_mut().for_each(|one| one.to.clear());
    let told = folded(&mut collectives, ended);
    assert_eq!(told, [(of_several(0), 3, closed(60))]);
    assert_eq!(collectives, Collectives::default());
}

#[test]
fn what_is_critical_is_told_of_each_workload_that_it_begins_with_later() {
    let failed = |names: &[&str], seconds| {
        let mut told = of_all(names, seconds, Stage::Opened);
        for one in &mut told {
            one.notice.severity = Severity::Critical;
        }
        told
    };
    let mut collectives = Collectives::default();
    let told = folded(&mut collectives, failed(&["a", "b", "c", "d"], 0));
    assert_eq!(told, [(of_several(0), 3, Stage::Opened)]);
    let told = folded(&mut collectives, failed(&["e"], 30));
    assert_eq!(told, [("prod-eu/shop/e/blind".to_owned(), 0, Stage::Opened)]);
}
