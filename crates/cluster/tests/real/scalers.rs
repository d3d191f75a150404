//! Other autoscalers, and kinds by their names.

use headroom_cluster::{ClusterError, Filling, KindName, ObjectName};
use headroom_test_support::cluster::{Cluster, Kind, Workload, rule};

use crate::world::{MINUTE, now, view};

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn hpas_are_seen_and_without_keda_there_are_no_scaled_objects() {
    let namespace = Cluster::shared().await.namespace("hpas").await;
    namespace
        .create_workload(&Workload::deployment("api").replicas(2))
        .await;
    namespace.create_hpa(Kind::Deployment, "api", 2..=7, 70).await;
    let rules = [
        rule(
            &["autoscaling"],
            &["horizontalpodautoscalers"],
            &["list", "watch"],
        ),
        rule(&["keda.sh"], &["scaledobjects"], &["list", "watch"]),
    ];
    let user = namespace.user("headroom", &rules).await;
    for filling in [Filling::Lists, Filling::Watches] {
        let view = view(user.kubeconfig().to_owned(), filling, MINUTE);
        let hpas = view.hpas(namespace.name(), now()).await.unwrap();
        let hpa = hpas.named("api").unwrap();
        assert_eq!(
            (&*hpa.target_kind, &*hpa.target_group, &*hpa.target_name),
            ("Deployment", "apps", "api")
        );
        assert_eq!((hpa.min_replicas, hpa.max_replicas), (Some(2), 7));
        let scaled = view.scaled_objects(namespace.name(), now()).await.unwrap();
        assert!(scaled.all().is_empty());
        // Without the permission it is not known whether there are any.
        let error = view.pods(namespace.name(), now()).await.unwrap_err();
        assert!(error.is_forbidden(), "{error:?}");
    }
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_kind_is_found_by_any_of_its_names() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace("names").await;
    namespace
        .create_workload(&Workload::new(Kind::Rollout, "api").replicas(2))
        .await;
    let view = view(cluster.administrator_kubeconfig(), Filling::Lists, MINUTE);
    let named = |kind: &str, version: Option<&str>, group: Option<&str>| ObjectName {
        kind: KindName {
            kind: kind.to_owned(),
            version: version.map(str::to_owned),
            group: group.map(str::to_owned),
        },
        namespace: namespace.name().to_owned(),
        name: "api".to_owned(),
    };
    for name in [
        named("rollout", None, Some("argoproj.io")),
        named("rollouts", None, None),
        named("rollout", Some("v1alpha1"), Some("argoproj.io")),
    ] {
        let found = view.scalable(&name, now()).await;
        assert!(found.is_ok(), "{name}: {found:?}");
    }
    let of = async |name| view.scalable(&name, now()).await.unwrap_err();
    assert!(matches!(
        of(named("rollout", Some("v9"), Some("argoproj.io"))).await,
        ClusterError::UnknownKind { .. }
    ));
    assert!(matches!(
        of(named("rollout", None, Some("example.com"))).await,
        ClusterError::UnknownKind { .. }
    ));
    assert!(matches!(
        of(named("widget", None, None)).await,
        ClusterError::UnknownKind { .. }
    ));
    let unscalable = of(named("ingress", None, Some("networking.k8s.io"))).await;
    assert!(
        matches!(unscalable, ClusterError::NotScalable { .. }),
        "{unscalable:?}"
    );
}
