//! Pauses that begin while a pass is under way.

use std::sync::Arc;

use async_trait::async_trait;
use headroom_actuator::{
    Actuator, ScaleTarget, TargetError, TargetReader, TargetState, testing::ScriptedActuator,
};
use headroom_autoscaler::{Autoscaler, DecisionRecord, OperatorFile, Pause, Store};
use headroom_policy_engine::{Replicas, Timestamp};

use crate::world::*;

/// What somebody does once the target was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Pauses,
    PausesAndSets(u32),
    BreaksTheFile,
}

#[derive(Debug)]
struct Somebody {
    actuator: Arc<ScriptedActuator>,
    operator: OperatorFile,
    does: Does,
}

#[async_trait]
impl TargetReader for Somebody {
    async fn read(&self, targets: &[ScaleTarget], now: Timestamp) -> Vec<Result<TargetState, TargetError>> {
        let read = self.actuator.read(targets, now).await;
        let workload = targets[0].workload();
        if self.does == Does::BreaksTheFile {
            std::fs::write(self.operator.path(), "not what headroom writes").unwrap();
        } else {
            let pause = Pause {
                workload: workload.clone(),
                since: now,
                until: None,
                reason: None,
                by: None,
            };
            self.operator.pause(pause).unwrap();
        }
        if let Does::PausesAndSets(count) = self.does {
            self.actuator.put(workload, Replicas::new(count));
        }
        read
    }
}

#[async_trait]
impl Actuator for Somebody {
    async fn tend(&self, _: &ScaleTarget, _: Timestamp) -> Result<(), TargetError> {
        Ok(())
    }

    async fn set_replicas(
        &self,
        target: &ScaleTarget,
        from: Replicas,
        to: Replicas,
        now: Timestamp,
    ) -> Result<(), TargetError> {
        self.actuator.set_replicas(target, from, to, now).await
    }
}

/// A pass over `web`, whose load asks for five of the two that there are.
async fn pass_in_which_somebody(does: Does) -> (World, DecisionRecord) {
    let world = World::new(&["web"]);
    world.load("web", 430.0);
    let somebody = Somebody {
        actuator: Arc::clone(&world.actuator),
        operator: world.operator(),
        does,
    };
    let opened = Store::open(&world.state_dir(), world.history, at(0)).unwrap();
    let autoscaler = Autoscaler::new(world.parts(opened, Arc::new(somebody)));
    let record = about(&pass(&autoscaler, at(0)).await, "web").clone();
    assert_eq!(autoscaler.store().open_intents().unwrap(), []);
    (world, record)
}

#[tokio::test]
async fn a_workload_that_is_paused_while_it_is_decided_on_is_not_written_to() {
    for (does, count) in [
        (Does::Pauses, 2),
        (Does::PausesAndSets(20), 20),
        (Does::BreaksTheFile, 2),
    ] {
        let (world, record) = pass_in_which_somebody(does).await;
        assert_eq!(told(&record), "2 Paused", "{does:?}");
        assert_eq!(world.count("web"), count, "{does:?}");
        let rows = world.rows("web");
        assert_eq!((rows.len(), &rows[0].record), (1, &record));
    }
}
