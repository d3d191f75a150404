//! Texts as objects.

use headroom_autoscaler::config::{self, MigrationError, MovedKind, Selection};

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
