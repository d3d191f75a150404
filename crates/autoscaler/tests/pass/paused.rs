//! Pauses that begin while a pass is under way.

use std::sync::Arc;

use headroom_autoscaler::{Autoscaler, DecisionRecord, Pause, Store};
use headroom_policy_engine::{Replicas, WorkloadId};

use crate::{meddler::Meddler, world::*};

/// What somebody does once the target was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Pauses,
    PausesAndSets(u32),
    BreaksTheFile,
}

/// A pass over `web`, whose load asks for five of the two that there are.
async fn pass_in_which_somebody(does: Does) -> (World, DecisionRecord) {
    let world = World::new(&["web"]);
    world.load("web", 430.0);
    let (actuator, operator) = (Arc::clone(&world.actuator), world.operator());
    let somebody = Meddler::new(&world.actuator, move |workload: &WorkloadId| {
        if does == Does::BreaksTheFile {
            return std::fs::write(operator.path(), "not what headroom writes").unwrap();
        }
        let pause = Pause {
            workload: workload.clone(),
            since: at(0),
            until: None,
            reason: None,
            by: None,
        };
        operator.pause(pause).unwrap();
        if let Does::PausesAndSets(count) = does {
            actuator.put(workload, Replicas::new(count));
        }
    });
    let opened = Store::open(&world.state_dir(), world.history, at(0)).unwrap();
    let autoscaler = Autoscaler::new(world.parts(opened, somebody));
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
