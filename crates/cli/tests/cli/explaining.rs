//! `explain --want`, and decisions as programs read them.

use serde_json::Value;

use crate::{assert_said, common::World};

#[test]
fn says_what_stands_in_the_way_of_another_count() {
    let world = World::new(2, 330);
    for want in ["3", "5", "8"] {
        assert_said!(
            format!("explain_want_{want}"),
            world.headroom(&["explain", "api", "--want", want]).expect(0)
        );
    }
    let decided = world.headroom(&["explain", "api", "--want", "4"]).expect(0);
    assert!(
        decided.stdout.ends_with("Why not 4\n  4 is what was decided\n"),
        "{decided}"
    );
    world.headroom(&["explain", "api", "--want", "-1"]).expect(2);
    world.headroom(&["explain", "api", "--want", "many"]).expect(2);
}

#[test]
fn says_it_of_a_decision_from_history_too() {
    let world = World::new(5, 130);
    world.headroom(&["run", "--once"]).expect(0);
    assert_said!(
        "explain_last_want",
        world
            .headroom(&["explain", "api", "--last", "--want", "2"])
            .expect(0)
    );
    let row = world
        .headroom(&["explain", "api", "--last", "--want", "2", "--format", "json"])
        .expect(0)
        .json();
    let want = &row["decision"]["want"];
    assert_eq!(want["replicas"], 2, "{want}");
    assert_eq!(want["is_decided"], false, "{want}");
    assert_eq!(want["in_the_way"][0]["kind"], "step", "{want}");
    let step = want["in_the_way"][0]["step"].as_u64().unwrap();
    let place = format!("/decision/steps/{}/step", step - 1);
    assert_eq!(row.pointer(&place).unwrap(), "stabilized", "{row}");
}

#[test]
fn the_bound_that_forbids_a_count_is_named() {
    let world = World::new(2, 300);
    world
        .headroom(&["override", "api", "--max", "4", "--for", "2h", "--reason", "sale"])
        .expect(0);
    let said = world.headroom(&["explain", "api", "--want", "5"]).expect(0);
    assert!(
        said.stdout
            .contains("   –  the override of tester (sale) allows at most 4\n"),
        "{said}"
    );
    let said = world.headroom(&["explain", "api", "--want", "1"]).expect(0);
    assert!(said.stdout.contains("   –  the minimum is 2\n"), "{said}");
}

#[test]
fn the_status_of_the_hpa_is_shown() {
    let world = World::new(2, 930);
    let policy = world.read("headroom.toml");
    world.write(
        "headroom.toml",
        &format!("[defaults]\nsemantics = \"hpa\"\n{policy}"),
    );
    assert_said!("explain_hpa", world.headroom(&["explain", "api"]).expect(0));
    let decision = world
        .headroom(&["explain", "api", "--format", "json"])
        .expect(0)
        .json();
    let conditions = decision["hpa"]["conditions"].as_array().unwrap();
    let reasons: Vec<_> = conditions.iter().map(|condition| &condition["reason"]).collect();
    assert_eq!(reasons, ["ReadyForNewScale", "ValidMetricFound", "ScaleUpLimit"]);
}

#[test]
fn decisions_of_every_command_are_as_the_published_schema_says() {
    let world = World::new(2, 330);
    let hpa = world
        .read("headroom.toml")
        .replace("shop/api", "shop/web")
        .replace("\"{replicas}\"]", "\"{replicas}\", \"web\"]");
    let policy = format!("{}{hpa}semantics = \"hpa\"\n", world.read("headroom.toml"));
    world.write("headroom.toml", &policy);
    let schema = world.headroom(&["schema", "decision"]).expect(0).json();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let json = |arguments: &[&str]| {
        let ran = world.headroom(&[arguments, &["--format", "json"]].concat());
        ran.expect(0).json()
    };
    let each = |object: &Value, list: &str| -> Vec<Value> {
        let list = object.pointer(list).and_then(Value::as_array).unwrap().clone();
        assert_eq!(list.len(), 2, "{object}");
        list
    };
    let in_rows = |rows: Vec<Value>| rows.into_iter().map(|row| row["decision"].clone());
    let mut decisions = vec![
        json(&["explain", "api"]),
        json(&["explain", "web", "--want", "9"]),
    ];
    decisions.extend(each(&json(&["plan"]), "/decisions"));
    decisions.extend(each(&json(&["run", "--once"]), "/decisions"));
    decisions.push(json(&["explain", "api", "--last", "--want", "3"])["decision"].clone());
    decisions.extend(in_rows(each(&json(&["history"]), "/rows")));
    let status = each(&json(&["status"]), "/workloads");
    decisions.extend(in_rows(
        status
            .into_iter()
            .map(|workload| workload["last"].clone())
            .collect(),
    ));
    assert_eq!(decisions.len(), 11);
    for decision in &decisions {
        let errors: Vec<_> = validator
            .iter_errors(decision)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{errors:#?}\nin {decision:#}");
        assert!(decision["steps"].as_array().unwrap().len() >= 2, "{decision:#}");
    }
    let mut broken = decisions.swap_remove(0);
    broken["steps"][0]["step"] = "guessed".into();
    assert!(!validator.is_valid(&broken));
}
