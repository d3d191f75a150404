use std::os::unix::fs::PermissionsExt as _;

use headroom_policy_engine::{Hold, Operator, Replicas};

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_millis(seconds * 1000)
}

fn id(name: &str) -> WorkloadId {
    name.parse().unwrap()
}

fn pause(workload: &str, until: Option<i64>) -> Pause {
    Pause {
        workload: id(workload),
        since: at(100),
        until: until.map(at),
        reason: Some("a load test".to_owned()),
        by: Some("ada".to_owned()),
    }
}

/// At least so many, from second 100 on.
fn at_least(count: u32, workload: &str, by: &str, until: i64) -> Override {
    Override {
        workload: id(workload),
        since: at(100),
        until: at(until),
        operator: Operator {
            by: Some(by.into()),
            reason: Some("Black Friday".into()),
        },
        asks: OverrideAsks::new(Some(Replicas::new(count)), None, ScaleDown::Allowed).unwrap(),
    }
}

#[test]
fn a_pause_lasts_until_it_is_resumed() {
    let dir = tempfile::tempdir().unwrap();
    let file = OperatorFile::new(&dir.path().join("state"));
    assert_eq!(file.acts().unwrap(), OperatorActs::default());
    file.pause(pause("shop/api", None)).unwrap();
    file.pause(pause("shop/web", Some(200))).unwrap();
    assert_eq!(
        file.acts().unwrap().pauses,
        [pause("shop/api", None), pause("shop/web", Some(200))]
    );
    let ended = file.resume(&id("shop/api")).unwrap();
    assert_eq!(ended, Some(pause("shop/api", None)));
    assert_eq!(file.resume(&id("shop/api")).unwrap(), None);
    assert_eq!(file.acts().unwrap().pauses, [pause("shop/web", Some(200))]);
}

#[test]
fn a_pause_with_an_end_holds_until_then() {
    let until = pause("web", Some(200));
    assert!(until.holds(at(199)));
    assert!(!until.holds(at(200)));
    assert!(pause("web", None).holds(Timestamp::MAX));
}

#[test]
fn an_override_ends_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let file = OperatorFile::new(dir.path());
    file.override_bounds(at_least(5, "web", "ada", 200)).unwrap();
    file.pause(pause("web", None)).unwrap();
    let acts = file.acts().unwrap();
    assert_eq!(acts.overrides, [at_least(5, "web", "ada", 200)]);
    assert_eq!(acts.clone().at(at(199)).overrides.len(), 1);
    assert_eq!(acts.at(at(200)).overrides, []);
    // What has ended goes when something else is asked for.
    let later = Override {
        since: at(300),
        ..at_least(7, "api", "ada", 400)
    };
    file.override_bounds(later.clone()).unwrap();
    assert_eq!(file.acts().unwrap().overrides, [later]);
}

#[test]
fn each_person_has_one_override_of_a_workload() {
    let dir = tempfile::tempdir().unwrap();
    let file = OperatorFile::new(dir.path());
    let first = at_least(5, "web", "ada", 200);
    assert_eq!(file.override_bounds(first.clone()).unwrap(), None);
    assert_eq!(
        file.override_bounds(at_least(6, "web", "bob", 200)).unwrap(),
        None
    );
    assert_eq!(
        file.override_bounds(at_least(9, "api", "ada", 200)).unwrap(),
        None
    );
    let replaced = file.override_bounds(at_least(3, "web", "ada", 300)).unwrap();
    assert_eq!(replaced, Some(first));
    let ended = file.end_overrides(&id("web")).unwrap();
    assert_eq!(
        ended,
        [at_least(3, "web", "ada", 300), at_least(6, "web", "bob", 200)]
    );
    assert_eq!(file.end_overrides(&id("web")).unwrap(), []);
    assert_eq!(file.acts().unwrap().overrides, [at_least(9, "api", "ada", 200)]);
}

#[test]
fn an_override_asks_for_something_that_can_be() {
    let asks = |floor: Option<u32>, ceiling: Option<u32>, scale_down| {
        OverrideAsks::new(floor.map(Replicas::new), ceiling.map(Replicas::new), scale_down)
    };
    assert_eq!(asks(None, None, ScaleDown::Allowed), Err(OverrideError::Nothing));
    assert!(asks(None, None, ScaleDown::Held).is_ok());
    assert!(asks(Some(5), Some(5), ScaleDown::Allowed).is_ok());
    for (floor, ceiling) in [(Some(0), None), (None, Some(0)), (Some(1_000_001), None)] {
        assert!(matches!(
            asks(floor, ceiling, ScaleDown::Allowed),
            Err(OverrideError::OutOfRange { .. })
        ));
    }
    assert!(matches!(
        asks(Some(6), Some(5), ScaleDown::Allowed),
        Err(OverrideError::Inverted { .. })
    ));
}

#[test]
fn an_override_is_in_force_with_all_it_asks_for() {
    let asks = OverrideAsks::new(Some(Replicas::new(5)), Some(Replicas::new(9)), ScaleDown::Held).unwrap();
    let one = Override {
        asks,
        ..at_least(1, "web", "ada", 200)
    };
    let in_force = one.in_force();
    let number = |bound: Option<headroom_policy_engine::ActiveBound>| bound.unwrap().replicas().get();
    assert_eq!(
        (number(in_force.bounds.floor), number(in_force.bounds.ceiling)),
        (5, 9)
    );
    let Some(Hold::ScaleDownHeld { until, .. }) = in_force.hold else {
        panic!("the hold is not told")
    };
    assert_eq!(until, Some(at(200)));
}

#[test]
fn only_the_owner_may_read_the_file_and_its_directory() {
    let dir = tempfile::tempdir().unwrap();
    let file = OperatorFile::new(&dir.path().join("state"));
    file.pause(pause("web", None)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&file.path()), 0o600);
    assert_eq!(mode(&dir.path().join("state")), 0o700);
}

/// What the version before overrides wrote.
const PAUSES_ALONE: &str = r#"{
  "version": 1,
  "pauses": [
    {
      "workload": "web",
      "since": "1970-01-01T00:01:40Z",
      "reason": "a load test",
      "by": "ada"
    }
  ]
}
"#;

#[test]
fn what_was_written_before_there_were_overrides_is_read_and_written_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let file = OperatorFile::new(dir.path());
    fs::write(file.path(), PAUSES_ALONE).unwrap();
    assert_eq!(file.acts().unwrap().pauses, [pause("web", None)]);
    file.override_bounds(at_least(5, "web", "ada", 200)).unwrap();
    assert!(
        fs::read_to_string(file.path())
            .unwrap()
            .contains("\"version\": 2")
    );
    file.end_overrides(&id("web")).unwrap();
    assert_eq!(fs::read_to_string(file.path()).unwrap(), PAUSES_ALONE);
}

#[test]
fn a_file_that_cannot_be_read_is_no_empty_one_and_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = OperatorFile::new(dir.path());
    let texts = [
        "",
        "{",
        r#"{"version":4,"pauses":[]}"#,
        r#"{"version":3,"pauses":[],"silences":[{"workload":"web","from":"2026-01-01T00:00:00Z"}]}"#,
        r#"{"version":3,"pauses":[],"silences":[{"from":"2026-01-01T00:00:00Z","until":"soon"}]}"#,
        r#"{"version":1,"pauses":[{"workload":"NOT A NAME","since":"2026-01-01T00:00:00Z"}]}"#,
        r#"{"version":1,"pauses":[{"workload":"web","since":"yesterday"}]}"#,
        r#"{"version":2,"pauses":[],"overrides":[{"workload":"web","since":"2026-01-01T00:00:00Z","min_replicas":5}]}"#,
        r#"{"version":2,"pauses":[],"overrides":[{"workload":"web","since":"2026-01-01T00:00:00Z","until":"2026-01-02T00:00:00Z"}]}"#,
        r#"{"version":2,"pauses":[],"overrides":[{"workload":"web","since":"2026-01-01T00:00:00Z","until":"2026-01-02T00:00:00Z","min_replicas":0}]}"#,
        r#"{"version":2,"pauses":[],"overrides":[{"workload":"web","since":"2026-01-01T00:00:00Z","until":"2026-01-02T00:00:00Z","min_replicas":5,"more":1}]}"#,
    ];
    for text in texts {
        fs::write(file.path(), text).unwrap();
        assert!(
            matches!(file.acts(), Err(OperatorError::Unreadable { .. })),
            "{text}"
        );
        assert!(file.pause(pause("web", None)).is_err(), "{text}");
        assert!(file.resume(&id("web")).is_err(), "{text}");
        assert!(
            file.override_bounds(at_least(5, "web", "ada", 200)).is_err(),
            "{text}"
        );
        assert!(file.end_overrides(&id("web")).is_err(), "{text}");
        assert_eq!(fs::read_to_string(file.path()).unwrap(), text);
    }
}

#[test]
fn what_is_asked_for_at_once_is_all_kept() {
    let dir = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let file = OperatorFile::new(dir.path());
            scope.spawn(move || {
                file.pause(pause(&format!("web-{number}"), None)).unwrap();
                file.override_bounds(at_least(5, "web", &format!("person-{number}"), 200))
                    .unwrap();
            });
        }
    });
    let acts = OperatorFile::new(dir.path()).acts().unwrap();
    assert_eq!((acts.pauses.len(), acts.overrides.len()), (8, 8));
}

#[test]
fn silences_stand_beside_pauses_and_are_known_for_a_day_after_their_end() {
    let dir = tempfile::tempdir().unwrap();
    let file = OperatorFile::new(dir.path());
    let silence = |workload: Option<&str>, until: i64| Silence {
        workload: workload.map(id),
        from: at(0),
        until: at(until),
        operator: Operator {
            by: Some("ada".into()),
            reason: Some("load test".into()),
        },
        silences_critical: workload.is_none(),
    };
    file.pause(pause("web", None)).unwrap();
    let of_web = silence(Some("web"), 100);
    let of_all = silence(None, 200);
    file.silence(of_web.clone()).unwrap();
    file.silence(of_all.clone()).unwrap();
    let acts = file.acts().unwrap();
    assert_eq!(acts.silences, [of_all, of_web.clone()]);
    assert_eq!(acts.pauses.len(), 1);
    assert_eq!(file.end_silence(Some(&id("web")), at(50)).unwrap(), Some(of_web));
    assert_eq!(file.end_silence(Some(&id("web")), at(60)).unwrap(), None);
    assert_eq!(file.end_silence(Some(&id("other")), at(60)).unwrap(), None);
    let known = |now| file.acts().unwrap().at(at(now)).silences.len();
    let day = 24 * 3600;
    assert_eq!(
        [known(50 + day - 1), known(50 + day), known(200 + day)],
        [2, 1, 0]
    );
}
