//! An example of every kind of hold.

use super::{DECIDED_AT, count, seconds};
use crate::{Hold, HoldSource, MissingCause, Operator, WhyUnknown};

pub(super) fn anna() -> Operator {
    Operator {
        by: Some("anna".into()),
        reason: Some("spring sale".into()),
    }
}

/// Examples of every kind of hold.
#[must_use]
pub fn holds() -> Vec<Hold> {
    let until = |left| Some(DECIDED_AT.plus(seconds(left)));
    let failing = |failing| Hold::FailingToStart {
        failing: count(failing),
    };
    let scale_down = |by, until| Hold::ScaleDownHeld { by, until };
    let alert = || HoldSource::Query(r#"ALERTS{alertname="Outage"}"#.into());
    let contested = |by: Option<&str>, until| Hold::Contested {
        by: by.map(Into::into),
        until,
    };
    vec![
        Hold::Paused { until: until(1200) },
        Hold::Paused { until: None },
        Hold::SecondScaler {
            name: "HorizontalPodAutoscaler/api".into(),
            wants: Some(count(7)),
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
        failing(1),
        failing(2),
        scale_down(HoldSource::Override(anna()), until(1200)),
        scale_down(HoldSource::Override(Operator::default()), None),
        scale_down(alert(), until(300)),
        scale_down(alert(), None),
        scale_down(
            HoldSource::UnknownQuery {
                query: r#"ALERTS{alertname="Outage"}"#.into(),
                why: WhyUnknown::Missing {
                    cause: MissingCause::TimedOut,
                },
            },
            None,
        ),
        Hold::RollingOut { until: until(480) },
        Hold::RollingOut { until: None },
        contested(Some("argocd-controller"), until(600)),
        contested(None, None),
        Hold::FleetBrake {
            until: DECIDED_AT.plus(seconds(900)),
        },
    ]
}
