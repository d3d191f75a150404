//! The HPA and headroom under `semantics = "hpa"`, beside each other under the same load: a small form of
//! `cargo xtask bench hpa`.

use std::time::Duration;

use headroom_test_support::{
    cluster::{Cluster, HpaController},
    side_by_side::{Phase, Scaler, SideBySide},
};

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn under_the_hpas_semantics_it_settles_where_the_hpa_does() {
    let plan = SideBySide {
        program: env!("CARGO_BIN_EXE_headroom").into(),
        pairs: 2,
        scalers: vec![Scaler::Hpa, Scaler::HeadroomAsHpa],
        phases: vec![Phase::StepUp, Phase::StepDown],
        controller: HpaController::default(),
        dwell: Duration::ZERO,
        patience: Duration::from_secs(240),
    };
    let outcome = plan.run(Cluster::shared().await, &mut |_| {}).await;
    assert_eq!(outcome.phases.len(), 2);
    assert_eq!(
        outcome.disagreements(Scaler::HeadroomAsHpa),
        [],
        "{:#?}",
        outcome.phases
    );
}
