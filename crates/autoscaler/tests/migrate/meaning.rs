//! Whatever an HPA says, its policy says the same, compared by what the configuration reads from it.

use std::time::Duration;

use headroom_autoscaler::{Mode, WorkloadSettings, config::MovedKind};
use headroom_policy_engine::{
    ChangeAmount, ChangeLimit, Direction, HpaPath, HpaSettings, LimitSelection, MetricRule, ReplicaBounds,
    Replicas, ScalingRules, Semantics, StabilizationWindow,
    hpa::{HpaRules, complete_rules},
};
use proptest::{option, prelude::*};
use serde_json::{Value, json};

use super::{loaded, moved};

/// One direction of a behavior, before it is an object.
#[derive(Clone, Debug)]
struct Rules {
    window: Option<u64>,
    select: Option<&'static str>,
    policies: Option<Vec<(bool, u32, u64)>>,
    tolerance: Option<u32>,
}

#[derive(Clone, Debug)]
struct Hpa {
    min: Option<u32>,
    max: u32,
    cpu: u32,
    memory: Option<u32>,
    behavior: Option<(Option<Rules>, Option<Rules>)>,
}

fn rules() -> impl Strategy<Value = Rules> {
    let policy = (any::<bool>(), 1..=1000_u32, 1..=1800_u64);
    (
        option::of(0..=3600_u64),
        option::of(prop::sample::select(vec!["Max", "Min", "Disabled"])),
        option::of(prop::collection::vec(policy, 1..4)),
        option::of(0..=10_000_u32),
    )
        .prop_map(|(window, select, policies, tolerance)| Rules {
            window,
            select,
            policies,
            tolerance,
        })
}

fn hpa() -> impl Strategy<Value = Hpa> {
    let bounds = (option::of(1..=50_u32), 50..=1000_u32);
    let behavior = option::of((option::of(rules()), option::of(rules())));
    (bounds, 1..=1000_u32, option::of(1..=1000_u32), behavior).prop_map(
        |((min, max), cpu, memory, behavior)| Hpa {
            min,
            max,
            cpu,
            memory,
            behavior,
        },
    )
}

impl Rules {
    fn object(&self) -> Value {
        let mut object = json!({});
        if let Some(window) = self.window {
            object["stabilizationWindowSeconds"] = window.into();
        }
        if let Some(select) = self.select {
            object["selectPolicy"] = select.into();
        }
        if let Some(policies) = &self.policies {
            let each = policies.iter().map(|(is_percent, value, period)| {
                json!({"type": if *is_percent { "Percent" } else { "Pods" }, "value": value, "periodSeconds": period})
            });
            object["policies"] = each.collect();
        }
        if let Some(tolerance) = self.tolerance {
            object["tolerance"] = format!("{tolerance}e-4")
                .parse::<f64>()
                .unwrap()
                .to_string()
                .into();
        }
        object
    }

    /// What the HPA makes of it.
    fn meant(&self, direction: Direction) -> ScalingRules {
        let given = HpaRules {
            stabilization: self
                .window
                .map(|window| StabilizationWindow::new(Duration::from_secs(window)).unwrap()),
            select: self.select.map(|select| match select {
                "Min" => LimitSelection::Min,
                "Disabled" => LimitSelection::Disabled,
                _ => LimitSelection::Max,
            }),
            limits: self.policies.as_ref().map(|policies| {
                let each = policies.iter().map(|&(is_percent, value, period)| {
                    let amount = if is_percent {
                        ChangeAmount::Percent(value)
                    } else {
                        ChangeAmount::Replicas(value)
                    };
                    ChangeLimit::new(amount, Duration::from_secs(period)).unwrap()
                });
                each.collect()
            }),
        };
        complete_rules(&given, direction, &HpaSettings::default())
    }
}

impl Hpa {
    fn object(&self) -> Value {
        let utilization = |name: &str, percent: u32| {
            let target = json!({"type": "Utilization", "averageUtilization": percent});
            json!({"type": "Resource", "resource": {"name": name, "target": target}})
        };
        let cpu = [utilization("cpu", self.cpu)];
        let memory = self.memory.map(|percent| utilization("memory", percent));
        let mut spec = json!({
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"},
            "maxReplicas": self.max,
            "metrics": cpu.into_iter().chain(memory).collect::<Value>(),
        });
        if let Some(min) = self.min {
            spec["minReplicas"] = min.into();
        }
        if let Some((up, down)) = &self.behavior {
            spec["behavior"] = json!({});
            for (key, rules) in [("scaleUp", up), ("scaleDown", down)] {
                if let Some(rules) = rules {
                    spec["behavior"][key] = rules.object();
                }
            }
        }
        json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "api", "namespace": "shop"}, "spec": spec})
    }

    fn check(&self, policy: &WorkloadSettings) {
        let bounds = ReplicaBounds::new(Replicas::new(self.min.unwrap_or(1)), Replicas::new(self.max));
        assert_eq!(policy.policy.bounds, bounds.unwrap());
        assert_eq!(policy.mode, Mode::Shadow);
        let path = match &self.behavior {
            Some(_) => HpaPath::WithBehavior,
            None => HpaPath::WithoutBehavior,
        };
        assert_eq!(policy.policy.semantics, Semantics::Hpa(path));
        let wanted: Vec<u32> = std::iter::once(self.cpu).chain(self.memory).collect();
        let found = policy.policy.metrics.iter().map(|metric| match metric.rule {
            MetricRule::Utilization(target) => u32::try_from(target.percent()).unwrap(),
            MetricRule::PerReplica(_)
            | MetricRule::Value(_)
            | MetricRule::Step(_)
            | MetricRule::Watermarks(_) => 0,
        });
        assert_eq!(found.collect::<Vec<_>>(), wanted);
        let none = (None, None);
        let (up, down) = self.behavior.as_ref().unwrap_or(&none);
        let sides = [
            (up, Direction::Up, &policy.policy.scale_up),
            (down, Direction::Down, &policy.policy.scale_down),
        ];
        let nothing = Rules {
            window: None,
            select: None,
            policies: None,
            tolerance: None,
        };
        for (rules, direction, found) in sides {
            assert_eq!(rules.as_ref().unwrap_or(&nothing).meant(direction), *found);
        }
        for metric in &policy.policy.metrics {
            let meant = |rules: &Option<Rules>| -> f64 {
                let told = rules.as_ref().and_then(|rules| rules.tolerance);
                told.map_or(0.1, |tolerance| format!("{tolerance}e-4").parse().unwrap())
            };
            assert_eq!(metric.tolerance.up().to_bits(), meant(up).to_bits());
            assert_eq!(metric.tolerance.down().to_bits(), meant(down).to_bits());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_policy_of_an_hpa_means_the_same(hpa in hpa()) {
        let migration = moved(MovedKind::Hpa, &hpa.object().to_string());
        prop_assert!(migration.remaining.is_empty(), "{:?}", migration.remaining);
        let configuration = loaded(&migration);
        hpa.check(&configuration.workloads[0]);
    }

    #[test]
    fn what_several_share_changes_none_of_them(hpas in prop::collection::vec(hpa(), 2..6)) {
        // Each twice, so that there is something to share.
        let all: Vec<&Hpa> = hpas.iter().flat_map(|hpa| [hpa, hpa]).collect();
        let items: Value = all.iter().zip(0..).map(|(hpa, number)| {
            let mut object = hpa.object();
            object["metadata"]["name"] = format!("w{number:02}").into();
            object["spec"]["scaleTargetRef"]["name"] = format!("w{number:02}").into();
            object
        }).collect();
        let migration = moved(MovedKind::Hpa, &json!({"kind": "List", "items": items}).to_string());
        let configuration = loaded(&migration);
        prop_assert_eq!(configuration.workloads.len(), all.len());
        for (hpa, workload) in all.iter().zip(&configuration.workloads) {
            hpa.check(workload);
        }
    }
}
