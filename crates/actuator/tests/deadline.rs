//! A deadline around any target, on paused time; and what access without writing holds.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::{sync::Arc, time::Duration};

use headroom_actuator::{
    Access, Actuator as _, CommandTarget, ScaleTarget, TargetError, TargetReader as _, WithDeadline,
    testing::{Fault, ScriptedActuator},
};
use headroom_policy_engine::{Replicas, Timestamp, WorkloadId};
use tokio::time::Instant;

const NOW: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);
const DEADLINE: Duration = Duration::from_secs(5);

fn target(name: &str) -> ScaleTarget {
    let target = CommandTarget {
        workload: name.parse().unwrap(),
        get: Vec::new(),
        set: Vec::new(),
        ready: None,
        directory: "/".into(),
        timeout: DEADLINE,
    };
    ScaleTarget::Command(target.into())
}

fn world() -> (Arc<ScriptedActuator>, WithDeadline<ScriptedActuator>, WorkloadId) {
    let inner = Arc::new(ScriptedActuator::new());
    let web: WorkloadId = "web".parse().unwrap();
    inner.put(&web, Replicas::new(2));
    (Arc::clone(&inner), WithDeadline::new(inner, DEADLINE), web)
}

#[tokio::test(start_paused = true)]
async fn targets_that_hang_cost_one_deadline_together_and_others_nothing() {
    let (inner, bounded, web) = world();
    for name in ["slow", "slower"] {
        inner.fail_reads(&name.parse().unwrap(), Some(Fault::Hang));
    }
    let begun = Instant::now();
    let read = bounded
        .read(&[target("slow"), target("web"), target("slower")], NOW)
        .await;
    assert_eq!(begun.elapsed(), DEADLINE);
    assert!(
        matches!(read[0], Err(TargetError::NoAnswer { after: DEADLINE })),
        "{read:?}"
    );
    assert_eq!(read[1].as_ref().unwrap().workload.current, inner.count(&web));
    assert!(matches!(read[2], Err(TargetError::NoAnswer { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_late_write_may_have_been_carried_out() {
    for (fault, count) in [(Fault::Hang, 2), (Fault::HangAfterwards, 3)] {
        let (inner, bounded, web) = world();
        inner.fail_writes(&web, Some(fault));
        let error = bounded
            .set_replicas(&target("web"), Replicas::new(2), Replicas::new(3), NOW)
            .await
            .unwrap_err();
        assert!(
            matches!(error, TargetError::Unanswered { after: DEADLINE }),
            "{error:?}"
        );
        assert!(error.leaves_outcome_unknown());
        assert_eq!(inner.count(&web), Replicas::new(count));
        assert_eq!(inner.writes().len(), usize::from(fault == Fault::HangAfterwards));
    }
}

#[tokio::test]
async fn access_that_only_reads_has_nothing_that_writes() {
    let (inner, _, web) = world();
    let preview = Access::ReadOnly(Arc::clone(&inner) as _);
    assert!(preview.writer().is_none());
    let read = preview.reader().read(&[target("web")], NOW).await;
    assert_eq!(read[0].as_ref().unwrap().workload.current, inner.count(&web));

    let apply = Access::Write(Arc::clone(&inner) as _);
    assert_eq!(apply.reader().read(&[target("web")], NOW).await.len(), 1);
    apply
        .writer()
        .unwrap()
        .set_replicas(&target("web"), Replicas::new(2), Replicas::new(4), NOW)
        .await
        .unwrap();
    assert_eq!(inner.count(&web), Replicas::new(4));
}
