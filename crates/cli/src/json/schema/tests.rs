use std::{fmt::Write as _, time::Duration};

use headroom_autoscaler::{DecisionRecord, InForce, Rebuilt, Verdict};
use headroom_policy_engine::{
    ActiveBound, ActiveBounds, BoundSource, ConditionStatus, Explanation, Hold, HoldSource, Operator,
    RaisedCondition, Replicas, RoundError, RoundStatus, ScheduleName, Step,
    hpa::{ConditionReason, ConditionType, Conditions},
    testing,
};
use serde_json::{Value, json};

use super::*;
use crate::{json::step::StepObject, report::samples};

/// The published schema, and nothing in an object beside what it names.
fn strict() -> jsonschema::Validator {
    let mut schema = decision_schema();
    let close = |object: &mut Value| {
        if object.get("properties").is_some() || object.get("oneOf").is_some_and(is_of_objects) {
            object["unevaluatedProperties"] = json!(false);
        }
    };
    close(&mut schema);
    for object in schema["$defs"].as_object_mut().unwrap().values_mut() {
        close(object);
    }
    jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(&schema)
        .unwrap()
}

fn is_of_objects(choices: &Value) -> bool {
    choices[0].get("properties").is_some()
}

#[track_caller]
fn check(validator: &jsonschema::Validator, object: &Value) {
    let errors: Vec<_> = validator
        .iter_errors(object)
        .map(|error| format!("{} at {}", error, error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}\nin {object:#}");
}

fn object(record: &DecisionRecord, want: Option<u32>) -> Value {
    serde_json::to_value(Decision::with(record, want.map(Replicas::new))).unwrap()
}

/// A decision to which `steps` led, whatever it is.
fn with_steps(steps: Vec<Step>) -> DecisionRecord {
    let mut record = samples::scale_up();
    record.at = testing::DECIDED_AT;
    if let Verdict::Decided { explanation, .. } = &mut record.verdict {
        *explanation = Explanation(steps);
    }
    record
}

#[test]
fn every_kind_of_step_is_an_object_of_its_own() {
    let validator = strict();
    let mut page = String::new();
    for step in testing::steps() {
        let line = serde_json::to_string(&StepObject::new(&step, testing::DECIDED_AT)).unwrap();
        let object: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object["step"], step.code());
        assert_eq!(object["text"], step.to_string());
        let _ = writeln!(page, "{line}");
        check(&validator, &self::object(&with_steps(vec![step]), None));
    }
    insta::assert_snapshot!(page);
}

#[test]
fn what_stands_in_the_way_is_as_the_schema_says() {
    let validator = strict();
    let mut kinds = std::collections::BTreeSet::new();
    for step in testing::steps() {
        let combined = Step::Combined {
            replicas: step.change().map_or(Replicas::new(5), |(from, _)| from),
            by: None,
        };
        let metric = testing::steps().swap_remove(0);
        let record = with_steps(vec![metric, step, combined.clone(), combined]);
        for want in [0, 1, 4, 5, 6, 7, 40] {
            let object = object(&record, Some(want));
            check(&validator, &object);
            assert_eq!(object["want"]["is_decided"], want == 6);
            let in_the_way = object["want"]["in_the_way"].as_array().unwrap();
            kinds.extend(
                in_the_way
                    .iter()
                    .map(|obstacle| obstacle["kind"].as_str().unwrap().to_owned()),
            );
        }
    }
    assert_eq!(Vec::from_iter(kinds), ["bound", "load", "step"]);
}

#[test]
fn every_sample_is_as_the_schema_says() {
    let validator = strict();
    for record in
        samples::pass()
            .decisions
            .iter()
            .chain([&samples::failed(), &samples::not_confirmed(), &full()])
    {
        check(&validator, &object(record, None));
        check(&validator, &object(record, Some(3)));
    }
}

/// With everything that a decision may have beside its steps.
fn full() -> DecisionRecord {
    let at = samples::AT;
    let mut record = samples::scale_up();
    let schedule = BoundSource::Schedule(ScheduleName::new("night"));
    let anna = Operator {
        by: Some("anna".into()),
        reason: None,
    };
    let bounds = ActiveBounds {
        floor: ActiveBound::new(Replicas::new(3), schedule.clone()).ok(),
        ceiling: ActiveBound::new(Replicas::new(8), BoundSource::Override(anna.clone())).ok(),
    };
    for by in [schedule, BoundSource::Override(anna.clone())] {
        record.in_force.push(InForce {
            by,
            bounds: bounds.clone(),
            hold: None,
            until: at,
        });
    }
    if let Verdict::Decided { target, .. } = &mut record.verdict {
        target.bounds = bounds;
        target.holds = vec![
            Hold::Paused { until: None },
            Hold::SecondScaler {
                name: "HorizontalPodAutoscaler/api".into(),
                wants: None,
            },
            Hold::SecondHeadroom {
                by: "headroom-1a2b3c4d".into(),
            },
            Hold::RequestsSet {
                by: "VerticalPodAutoscaler/api".into(),
                resources: "cpu".into(),
                mode: "Recreate".into(),
            },
            Hold::BeingDeleted,
            Hold::FailingToStart {
                failing: Replicas::new(2),
            },
            Hold::ScaleDownHeld {
                by: HoldSource::Override(anna),
                until: Some(at),
            },
            Hold::ScaleDownHeld {
                by: HoldSource::Query("ALERTS".into()),
                until: None,
            },
            Hold::RollingOut { until: Some(at) },
            Hold::Contested {
                by: Some("kubectl".into()),
                until: None,
            },
            Hold::FleetBrake { until: at },
        ];
    }
    record.conditions = vec![
        RaisedCondition::NotBecomingReady {
            ready: Replicas::new(3),
            starting_for: Duration::from_secs(420),
        },
        RaisedCondition::FleetBrake,
    ];
    let mut conditions = Conditions::default();
    let active = ConditionType::ScalingActive;
    conditions.set(
        active,
        ConditionStatus::True,
        ConditionReason::ValidMetricFound,
        at,
    );
    record.round = Some(RoundStatus {
        desired: Some(Replicas::new(6)),
        rescaled: true,
        error: Some(RoundError::NoMetrics),
        conditions,
    });
    record.rebuilt = Some(Rebuilt::From {
        since: at,
        moments: 21,
        known: 4,
        is_covered: false,
    });
    record
}

#[test]
fn a_decision_with_everything_is_one_object() {
    insta::assert_json_snapshot!(object(&full(), Some(9)));
}

#[test]
fn what_is_not_in_the_schema_is_refused() {
    let validator = strict();
    let whole = object(&full(), Some(9));
    check(&validator, &whole);
    for (place, wrong) in [
        ("/version", json!(2)),
        ("/at", json!("half past ten")),
        ("/action", json!("scale_sideways")),
        ("/reason", json!("because")),
        ("/metrics/0/state", json!("odd")),
        ("/metrics/0/value", json!("930")),
        ("/steps/0/step", json!("limited")),
        ("/steps/0/terms/rule/kind", json!("guess")),
        ("/steps/2/by", json!("night")),
        ("/steps/2/more", json!(1)),
        ("/hpa/conditions/0/status", json!("true")),
        ("/want/in_the_way/0/kind", json!("luck")),
    ] {
        let mut broken = whole.clone();
        let (above, key) = place.rsplit_once('/').unwrap();
        broken.pointer_mut(above).unwrap()[key] = wrong;
        assert!(!validator.is_valid(&broken), "{place}");
    }
}
