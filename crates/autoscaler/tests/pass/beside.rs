//! Beside another scaler of the same target: both answers are recorded, and headroom takes over where the other one ends.

use headroom_actuator::{TargetState, testing::Fault};
use headroom_autoscaler::{Beside, Comparison, Mode};
use headroom_policy_engine::*;

use crate::world::{World, about, at, id, pass, replicas, told};

const HPA: &str = "HorizontalPodAutoscaler/web";

impl World {
    /// From now on `web` is at `current`, and an HPA on it wants `wants`.
    fn scaled_by_an_hpa(&self, current: u32, wants: Option<u32>) {
        let hpa = Hold::SecondScaler {
            name: HPA.into(),
            wants: wants.map(replicas),
        };
        self.put_held(current, vec![hpa]);
    }

    fn put_held(&self, current: u32, holds: Vec<Hold>) {
        let workload = Workload {
            holds,
            ..Workload::running(replicas(current))
        };
        let state = TargetState {
            workload,
            identity: None,
            pods: None,
            replicas: Vec::new(),
        };
        self.actuator.put_state(&id("web"), state);
    }
}

#[tokio::test]
async fn both_answers_are_recorded_and_compared_whether_as_a_shadow_or_held_by_the_hpa() {
    for mode in [Mode::Shadow, Mode::Apply] {
        let world = World::new(&["web"]).mode(mode);
        let autoscaler = world.start();
        // Load, the count that is there, and what the HPA wants.
        let moments = [
            (200.0, 2, Some(2)),
            (500.0, 2, Some(2)),
            (600.0, 2, Some(3)),
            (600.0, 6, Some(6)),
            (600.0, 6, None),
            (600.0, 6, Some(7)),
        ];
        for (number, (load, current, wants)) in (0..).zip(moments) {
            world.load("web", load);
            world.scaled_by_an_hpa(current, wants);
            pass(&autoscaler, at(number * 30)).await;
        }
        assert_eq!(world.actuator.writes(), [], "{mode:?}");
        let rows = world.rows("web");
        let comparison = Comparison::of(&rows).expect("an HPA");
        let hpa = Beside {
            name: HPA.into(),
            wants: Some(replicas(7)),
        };
        assert_eq!(comparison.other, &hpa, "{mode:?}");
        assert_eq!(comparison.since, at(0), "{mode:?}");
        let Comparison {
            passes,
            agreed,
            unanswered,
            ..
        } = comparison;
        assert_eq!((passes, agreed, unanswered), (5, 2, 1), "{mode:?}");
        let differences = comparison.differences.iter();
        let differences: Vec<_> = differences
            .map(|one| (one.from, one.until, one.ours.get(), one.theirs.get()))
            .collect();
        assert_eq!(
            differences,
            [(at(30), at(90), 5, 2), (at(150), at(150), 6, 7)],
            "{mode:?}: of two moments that are as far apart the first is told"
        );
    }
}

#[tokio::test]
async fn what_was_before_another_scaler_came_is_not_compared() {
    let world = World::new(&["web"]);
    let autoscaler = world.start();
    pass(&autoscaler, at(0)).await;
    assert_eq!(Comparison::of(&world.rows("web")), None);
    world.scaled_by_an_hpa(2, Some(2));
    pass(&autoscaler, at(30)).await;
    let rows = world.rows("web");
    let comparison = Comparison::of(&rows).unwrap();
    assert_eq!((comparison.since, comparison.passes), (at(30), 1));
    world.put_held(2, Vec::new());
    pass(&autoscaler, at(60)).await;
    assert_eq!(Comparison::of(&world.rows("web")), None, "it is gone");
}

#[tokio::test]
async fn the_first_pass_after_the_hpa_is_gone_acts_with_windows_that_are_full() {
    let world = World::new(&["web"]);
    let autoscaler = world.start();
    world.load("web", 200.0);
    for number in 0..5 {
        world.scaled_by_an_hpa(6, Some(6));
        let record = pass(&autoscaler, at(number * 30)).await;
        assert_eq!(told(about(&record, "web")), "6 SecondScaler");
    }
    world.put_held(6, Vec::new());
    let record = pass(&autoscaler, at(150)).await;
    assert_eq!(told(about(&record, "web")), "6 -> 2 Written");
}

#[tokio::test]
async fn another_headroom_holds_all_writing_of_one_that_set_the_count_before_and_of_none_that_never_did() {
    let world = World::new(&["web"]);
    let autoscaler = world.start();
    let beside_another = |current| {
        let by = "headroom-0a0b0c0d".into();
        world.put_held(current, vec![Hold::SecondHeadroom { by }]);
    };
    for (moment, load, expected) in [
        (0, 300.0, "2 -> 3 Written"),
        (30, 400.0, "3 SecondHeadroom"),
        (60, 500.0, "3 SecondHeadroom"),
    ] {
        beside_another(if moment == 0 { 2 } else { 3 });
        world.load("web", load);
        let record = pass(&autoscaler, at(moment)).await;
        let about = about(&record, "web");
        assert_eq!(told(about), expected);
        let codes: Vec<_> = about.conditions.iter().map(RaisedCondition::code).collect();
        let is_held = moment > 0;
        assert_eq!(codes == ["second_headroom"], is_held, "{codes:?}");
    }
    world.put_held(3, Vec::new());
    assert_eq!(
        told(about(&pass(&autoscaler, at(90)).await, "web")),
        "3 -> 5 Written"
    );
}

#[tokio::test]
async fn a_shadow_is_compared_with_another_headroom_and_not_held_by_it() {
    let world = World::new(&["web"]);
    world.load("web", 300.0);
    assert_eq!(
        told(about(&pass(&world.start(), at(0)).await, "web")),
        "2 -> 3 Written"
    );
    let world = world.mode(Mode::Shadow);
    let by = "headroom-0a0b0c0d".into();
    world.put_held(3, vec![Hold::SecondHeadroom { by }]);
    world.load("web", 500.0);
    assert_eq!(
        told(about(&pass(&world.start(), at(30)).await, "web")),
        "3 -> 5 NotAttempted"
    );
}

#[tokio::test]
async fn a_pass_that_cannot_read_the_target_ends_no_comparison() {
    let world = World::new(&["web"]).mode(Mode::Shadow);
    let autoscaler = world.start();
    for (number, fault) in (0..).zip([
        Some(Fault::Refuse),
        None,
        Some(Fault::Refuse),
        None,
        Some(Fault::Refuse),
    ]) {
        world.scaled_by_an_hpa(2, Some(2));
        world.actuator.fail_reads(&id("web"), fault);
        pass(&autoscaler, at(number * 30)).await;
    }
    let rows = world.rows("web");
    let comparison = Comparison::of(&rows).expect("an HPA");
    assert_eq!(comparison.since, at(30), "of before nobody knows");
    let Comparison {
        passes,
        agreed,
        unanswered,
        ..
    } = comparison;
    assert_eq!((passes, agreed, unanswered), (2, 2, 2));
}
