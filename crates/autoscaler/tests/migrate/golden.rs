//! Autoscalers as people have them, with everything that is written and said of them.

use headroom_autoscaler::config::MovedKind;

use super::{loaded, moved};

#[track_caller]
fn check(name: &str, kind: MovedKind, text: &str) {
    let migration = moved(kind, text);
    assert_eq!(
        loaded(&migration).workloads.len(),
        migration.workloads.len(),
        "{name}"
    );
    let mut said = migration.toml();
    for one in &migration.remaining {
        let word = if one.is_missing { "missing" } else { "note" };
        said.push_str(&format!("\n{word}: {}: {}", one.object, one.text));
    }
    insta::assert_snapshot!(name, said);
}

macro_rules! golden {
    ($kind:ident: $($name:ident),* $(,)?) => {$(
        #[test]
        fn $name() {
            let text = include_str!(concat!("golden/", stringify!($name), ".yaml"));
            check(stringify!($name), MovedKind::$kind, text);
        }
    )*};
}

golden!(Hpa: hpa_cpu, hpa_behavior, hpa_fleet, hpa_custom_metrics, hpa_rollout_and_kinds, hpa_refused);
golden!(ScaledObject: keda_prometheus, keda_to_zero, keda_cron_and_fallback, keda_queues, keda_refused);

#[test]
fn the_steps_name_the_objects() {
    let hpa = moved(MovedKind::Hpa, include_str!("golden/hpa_cpu.yaml"));
    insta::assert_snapshot!("steps_hpa", hpa.steps);
    let keda = moved(
        MovedKind::ScaledObject,
        include_str!("golden/keda_cron_and_fallback.yaml"),
    );
    insta::assert_snapshot!("steps_keda", keda.steps);
}
