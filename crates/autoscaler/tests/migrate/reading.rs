//! Texts as objects.

use headroom_autoscaler::config::{self, MigrationError, MovedKind, Selection};
use serde_json::{Value, json};

use super::{loaded, moved};

fn names(text: &str) -> Vec<String> {
    let objects = config::read_objects(text).unwrap();
    objects
        .iter()
        .map(|object| object["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn yaml_json_lists_and_documents_are_read_alike() {
    let yaml = "---\nkind: A\nmetadata: {name: one}\n---\n---\nkind: List\nitems:\n- kind: A\n  metadata: {name: two}\n";
    assert_eq!(names(yaml), ["one", "two"]);
    let json = r#"{"kind":"A","metadata":{"name":"one"}} {"kind":"List","items":[{"kind":"A","metadata":{"name":"two"}}]}"#;
    assert_eq!(names(json), ["one", "two"]);
}

#[test]
fn the_items_of_a_typed_list_are_what_it_says() {
    let text = r#"{"kind":"HorizontalPodAutoscalerList","apiVersion":"autoscaling/v2","items":[{"metadata":{"name":"a"}}]}"#;
    let objects = config::read_objects(text).unwrap();
    assert_eq!(objects[0]["kind"], "HorizontalPodAutoscaler");
    assert_eq!(objects[0]["apiVersion"], "autoscaling/v2");
}

#[test]
fn aliases_that_grow_without_end_are_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    let read = config::read_objects(&text);
    assert!(matches!(read, Err(MigrationError::Unreadable { .. })), "{read:?}");
}

#[test]
fn what_is_no_yaml_is_said_with_its_place() {
    let error = config::read_objects("kind: [A\nname: b\n")
        .unwrap_err()
        .to_string();
    assert!(error.contains("line"), "{error}");
}

#[test]
fn one_is_chosen_by_name_and_namespace() {
    let objects = config::read_objects(include_str!("golden/hpa_fleet.yaml")).unwrap();
    let chosen = |name: Option<&str>, namespace: Option<&str>| {
        let selection = Selection {
            name: name.map(str::to_owned),
            namespace: namespace.map(str::to_owned),
        };
        config::migrate(MovedKind::Hpa, &objects, &selection).map(|moved| moved.workloads)
    };
    assert_eq!(chosen(Some("cart"), None).unwrap(), ["shop/cart"]);
    assert_eq!(chosen(None, Some("mail")).unwrap(), ["mail/sender", "mail/inbox"]);
    let error = chosen(Some("cart"), Some("mail")).unwrap_err().to_string();
    assert_eq!(
        error,
        "there is no HorizontalPodAutoscaler called `cart` in namespace mail"
    );
}

/// An HPA as far as it is needed here.
fn hpa(namespace: &str, name: &str) -> Value {
    json!({
        "kind": "HorizontalPodAutoscaler",
        "apiVersion": "autoscaling/v2",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"},
            "maxReplicas": 3,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}],
        },
    })
}

#[test]
fn names_that_kubernetes_does_not_take_become_no_files() {
    for (namespace, name) in [
        ("../../x", "api"),
        ("/etc/cron.d/x", "api"),
        ("Shop", "api"),
        ("a\nb", "api"),
        ("", "api"),
        ("shop", "api; rm -r x"),
        ("shop", "a\n[workload.\"b/c\"]"),
        ("shop", ""),
    ] {
        let objects = [hpa(namespace, name), hpa("fine", "api.v2")];
        let moved = config::migrate(MovedKind::Hpa, &objects, &Selection::default()).unwrap();
        assert_eq!(moved.workloads, ["fine/api"], "{namespace:?} {name:?}");
        let files: Vec<_> = moved.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(files, ["00-imported.toml", "fine.toml"]);
        let said = &moved.remaining[0];
        assert!(
            said.is_missing && said.text.starts_with("no policy is written: metadata.name"),
            "{said:?}"
        );
    }
}

#[test]
fn a_namespace_that_is_given_is_looked_at_too() {
    let mut object = hpa("", "api");
    object["metadata"].as_object_mut().unwrap().remove("namespace");
    let selection = Selection {
        name: None,
        namespace: Some("../x".to_owned()),
    };
    let moved = config::migrate(MovedKind::Hpa, &[object], &selection).unwrap();
    assert_eq!(moved.workloads, [""; 0]);
}

#[test]
fn secrets_in_headers_are_not_copied() {
    let text = r#"{"kind": "ScaledObject", "metadata": {"namespace": "shop", "name": "api"}, "spec": {
        "scaleTargetRef": {"name": "api"}, "minReplicaCount": 1, "triggers": [{"type": "prometheus", "metadata": {
            "serverAddress": "http://prometheus:9090", "query": "sum(up)", "threshold": "1",
            "customHeaders": "X-Scope-OrgID=shop,Authorization=Basic hunter2,hunter3,X-Api-Key=hunter4,X-Of=file:/hunter5,A B=hunter6"
        }}]}}"#;
    let moved = moved(MovedKind::ScaledObject, text);
    let said = format!("{}{:?}{}", moved.toml(), moved.remaining, moved.steps);
    assert!(!said.contains("hunter"), "{said}");
    assert!(
        moved.toml().contains(r#"headers = { "X-Scope-OrgID" = "shop" }"#),
        "{}",
        moved.toml()
    );
    let missing = |part: &str| {
        moved
            .remaining
            .iter()
            .filter(|one| one.is_missing && one.text.contains(part))
            .count()
    };
    assert_eq!(
        missing("the value of Authorization, which is a secret; give it to `headers`"),
        1
    );
    assert_eq!(missing("the value of X-Api-Key, which is a secret"), 1);
    assert_eq!(
        missing("the value of X-Of, which headroom would take for the place of a secret"),
        1
    );
    assert_eq!(missing("a part of it is no NAME=VALUE"), 2);
}

#[test]
fn an_annotation_that_pauses_is_told_by_what_it_pauses_and_not_where_it_is_switched_off() {
    let pause = "it is paused; `headroom pause shop/api` keeps it so";
    let hold_down = "it is not scaled down; `headroom override shop/api --hold-down --for SPAN` keeps it so";
    let hold_up = "it is not scaled up; `headroom override shop/api --max COUNT --for SPAN` keeps it so";
    for (key, value, expected) in [
        ("paused", "true", Some(pause)),
        ("paused", "yes", Some(pause)),
        ("paused", "false", None),
        ("paused", "0", None),
        ("paused-replicas", "0", Some(pause)),
        ("paused-scale-in", "true", Some(hold_down)),
        ("paused-scale-in", "false", None),
        ("paused-scale-out", "true", Some(hold_up)),
        ("paused-scale-out", "F", None),
    ] {
        let name = format!("autoscaling.keda.sh/{key}");
        let object = json!({"kind": "ScaledObject",
            "metadata": {"namespace": "shop", "name": "api", "annotations": {&*name: value}},
            "spec": {"scaleTargetRef": {"name": "api"}, "minReplicaCount": 1, "triggers": [
                {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}}]}});
        let moved = moved(MovedKind::ScaledObject, &object.to_string());
        let said: Vec<_> = moved.remaining.iter().map(|one| one.text.clone()).collect();
        let expected = expected.map(|meaning| format!("{name} is `{value}`: {meaning}"));
        assert_eq!(said, Vec::from_iter(expected), "{name}: {value}");
    }
}

#[test]
fn schedules_of_one_workload_have_names_of_their_own() {
    let cron = |name: Option<&str>| {
        json!({"type": "cron", "name": name, "metadata": {
            "timezone": "UTC", "start": "0 8 * * *", "end": "0 18 * * *", "desiredReplicas": "5",
        }})
    };
    let object = json!({"kind": "ScaledObject", "metadata": {"namespace": "shop", "name": "api"}, "spec": {
        "scaleTargetRef": {"name": "api"}, "minReplicaCount": 1, "maxReplicaCount": 9,
        "triggers": [
            {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}},
            cron(Some("a-2")), cron(Some("a")), cron(Some("a")), cron(None), cron(None),
        ],
    }});
    let moved = moved(MovedKind::ScaledObject, &object.to_string());
    let toml = moved.toml();
    let names = toml.lines().filter_map(|line| line.strip_prefix("schedule."));
    let names: Vec<_> = names
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["a-2", "a", "a-3", "cron", "cron-2"]);
    assert_eq!(loaded(&moved).workloads[0].schedules.len(), 5);
}
