use headroom_policy_engine::hpa::Selector;
use serde_json::json;

use super::*;

fn keep(paths: &ScalePaths, object: Value) -> Scalable {
    Scalable::keep(serde_json::from_value(object).unwrap(), paths)
}

#[test]
fn a_deployment_is_kept_with_its_count_and_who_wrote_it() {
    let kept = keep(
        &ScalePaths::of_workload("Deployment"),
        json!({
            "metadata": {
                "name": "api", "uid": "u-1", "resourceVersion": "71",
                "managedFields": [
                    {"manager": "helm", "operation": "Update", "time": "2026-11-26T08:00:00Z",
                     "fieldsV1": {"f:spec": {"f:replicas": {}, "f:template": {}}}},
                    {"manager": "headroom", "operation": "Update", "time": "2026-11-26T09:00:00Z", "subresource": "scale",
                     "fieldsV1": {"f:spec": {"f:replicas": {}}}},
                    {"manager": "kube-controller-manager", "time": "2026-11-26T10:00:00Z", "subresource": "status",
                     "fieldsV1": {"f:status": {"f:replicas": {}}}},
                ],
            },
            "spec": {"replicas": 4, "selector": {"matchLabels": {"app": "api", "tier": "web"}}, "template": {}},
            "status": {"replicas": 3},
        }),
    );
    let owner = kept.replicas_owner.as_ref().unwrap();
    assert_eq!(&*owner.manager, "headroom", "the last who wrote it");
    assert_eq!(kept.wanted(), Ok(Replicas::new(4)));
    assert_eq!(kept.observed, Replicas::new(3));
    assert_eq!(kept.selector.as_deref(), Some("app=api,tier=web"));
    assert_eq!((&*kept.uid, &*kept.version, kept.deleting), ("u-1", "71", false));
}

#[test]
fn who_wrote_the_count_last_is_kept_with_whether_it_wrote_the_template_too() {
    let entry = |manager: &str, time: &str, fields: Value| json!({"manager": manager, "operation": "Apply", "time": time, "fieldsV1": {"f:spec": fields}});
    let kept = |entries: Value| {
        let object = json!({"metadata": {"name": "api", "managedFields": entries}, "spec": {"replicas": 4}});
        keep(&ScalePaths::of_workload("Deployment"), object)
    };
    let both = json!({"f:replicas": {}, "f:template": {"f:spec": {}}});
    let (count, template) = (json!({"f:replicas": {}}), json!({"f:template": {}}));
    let owner = kept(json!([
        entry("kubectl", "2026-11-26T08:00:00Z", count.clone()),
        entry("helm", "2026-11-26T09:00:00Z", both),
    ]));
    assert!(owner.tells_owners && owner.replicas_owner.unwrap().wrote_template);
    let owner = kept(json!([
        entry("kubectl", "2026-11-26T08:00:00Z", count),
        entry("helm", "2026-11-26T09:00:00Z", template),
    ]));
    assert!(!owner.replicas_owner.unwrap().wrote_template, "another one did");
    assert!(!kept(json!([])).tells_owners);
}

#[test]
fn a_custom_resource_is_read_where_its_definition_says() {
    let paths = ScalePaths::of_definition(".spec.size.count", ".status.ready", Some(".status.labels"));
    let kept = keep(
        &paths,
        json!({
            "metadata": {"name": "w", "managedFields": [
                {"manager": "kubectl", "fieldsV1": {"f:spec": {"f:size": {"f:count": {}}}}}]},
            "spec": {"size": {"count": 7}, "replicas": 1},
            "status": {"ready": 6, "labels": "app=w"},
        }),
    );
    assert_eq!(kept.replicas, Some(Replicas::new(7)));
    assert_eq!(kept.observed, Replicas::new(6));
    assert_eq!(kept.selector.as_deref(), Some("app=w"));
    assert_eq!(&*kept.replicas_owner.unwrap().manager, "kubectl");
}

#[test]
fn a_count_that_is_absent_or_no_count_is_not_zero() {
    for spec in [
        json!({}),
        json!({"replicas": null}),
        json!({"replicas": -1}),
        json!({"replicas": "3"}),
    ] {
        let kept = keep(
            &ScalePaths::of_workload("Deployment"),
            json!({"metadata": {"name": "api"}, "spec": spec}),
        );
        assert!(
            matches!(kept.wanted(), Err(ClusterError::NoCount { .. })),
            "{spec}"
        );
        assert_eq!((kept.observed, kept.selector), (Replicas::ZERO, None));
    }
}

#[test]
fn a_scale_object_leaves_out_a_zero() {
    let scale = |spec: Value| {
        keep(
            &ScalePaths::of_scale(),
            json!({"metadata": {"name": "api"}, "spec": spec}),
        )
    };
    assert_eq!(scale(json!({})).replicas, Some(Replicas::ZERO));
    assert_eq!(scale(json!({"replicas": 2})).replicas, Some(Replicas::new(2)));
    assert_eq!(scale(json!({"replicas": "2"})).replicas, None);
}

#[test]
fn a_selector_becomes_the_text_that_selects_the_same() {
    let expressions = json!({"matchLabels": {"app": "api"}, "matchExpressions": [
        {"key": "tier", "operator": "In", "values": ["web", "edge"]},
        {"key": "track", "operator": "NotIn", "values": ["canary"]},
        {"key": "team", "operator": "Exists"},
        {"key": "old", "operator": "DoesNotExist"},
    ]});
    let text = selector(&expressions).unwrap();
    assert_eq!(text, "app=api,tier in (web,edge),track notin (canary),team,!old");
    let parsed = Selector::parse(&text).unwrap();
    assert!(parsed.matches(&[("app", "api"), ("tier", "edge"), ("team", "a")]));
    assert!(!parsed.matches(&[("app", "api"), ("tier", "edge"), ("team", "a"), ("old", "")]));
}

#[test]
fn the_labels_of_a_replication_controller_are_its_selector() {
    assert_eq!(selector(&json!({"app": "api"})).as_deref(), Some("app=api"));
}

#[test]
fn an_operator_that_is_not_known_makes_a_selector_that_cannot_be_read() {
    let text =
        selector(&json!({"matchExpressions": [{"key": "a", "operator": "Like", "values": ["b"]}]})).unwrap();
    assert!(Selector::parse(&text).is_err(), "{text}");
}

#[test]
fn only_a_later_reading_of_the_same_object_is_newer() {
    let object = |uid: &str, version: &str| {
        keep(
            &ScalePaths::of_workload("Deployment"),
            json!({"metadata": {"name": "a", "uid": uid, "resourceVersion": version}}),
        )
    };
    assert!(object("u", "9").is_older_than(&object("u", "10")));
    assert!(!object("u", "10").is_older_than(&object("u", "9")));
    assert!(
        !object("u", "9").is_older_than(&object("v", "10")),
        "another object of the same name"
    );
    assert!(
        !object("u", "x").is_older_than(&object("u", "y")),
        "versions that cannot be compared"
    );
}
