use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_millis(seconds * 1000)
}

fn pause(workload: &str, until: Option<i64>) -> Pause {
    Pause {
        workload: workload.parse().unwrap(),
        since: at(100),
        until: until.map(at),
        reason: Some("a load test".to_owned()),
        by: Some("ada".to_owned()),
    }
}

#[test]
fn a_pause_lasts_until_it_is_resumed() {
    let dir = tempfile::tempdir().unwrap();
    let pauses = Pauses::new(&dir.path().join("state"));
    assert_eq!(pauses.list().unwrap(), []);
    pauses.pause(pause("shop/api", None)).unwrap();
    pauses.pause(pause("shop/web", Some(200))).unwrap();
    assert_eq!(
        pauses.list().unwrap(),
        [pause("shop/api", None), pause("shop/web", Some(200))]
    );
    let ended = pauses.resume(&"shop/api".parse().unwrap()).unwrap();
    assert_eq!(ended, Some(pause("shop/api", None)));
    assert_eq!(pauses.resume(&"shop/api".parse().unwrap()).unwrap(), None);
    assert_eq!(pauses.list().unwrap(), [pause("shop/web", Some(200))]);
}

#[test]
fn a_pause_with_an_end_holds_until_then() {
    let until = pause("web", Some(200));
    assert!(until.holds(at(199)));
    assert!(!until.holds(at(200)));
    assert!(pause("web", None).holds(Timestamp::MAX));
}

#[test]
fn only_the_owner_may_read_the_file_and_its_directory() {
    let dir = tempfile::tempdir().unwrap();
    let pauses = Pauses::new(&dir.path().join("state"));
    pauses.pause(pause("web", None)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&pauses.path()), 0o600);
    assert_eq!(mode(&dir.path().join("state")), 0o700);
}

#[test]
fn a_file_that_cannot_be_read_is_no_empty_list_and_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let pauses = Pauses::new(dir.path());
    let texts = [
        "",
        "{",
        r#"{"version":2,"pauses":[]}"#,
        r#"{"version":1,"pauses":[{"workload":"NOT A NAME","since":"2026-01-01T00:00:00Z"}]}"#,
        r#"{"version":1,"pauses":[{"workload":"web","since":"yesterday"}]}"#,
    ];
    for text in texts {
        fs::write(pauses.path(), text).unwrap();
        assert!(
            matches!(pauses.list(), Err(PauseError::Unreadable { .. })),
            "{text}"
        );
        assert!(pauses.pause(pause("web", None)).is_err(), "{text}");
        assert!(pauses.resume(&"web".parse().unwrap()).is_err(), "{text}");
        assert_eq!(fs::read_to_string(pauses.path()).unwrap(), text);
    }
}

#[test]
fn pauses_made_at_once_are_all_kept() {
    let dir = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let pauses = Pauses::new(dir.path());
            scope.spawn(move || pauses.pause(pause(&format!("web-{number}"), None)).unwrap());
        }
    });
    assert_eq!(Pauses::new(dir.path()).list().unwrap().len(), 8);
}
