//! What is always true under the HPA's semantics. Every invariant that is not here either needs what the HPA does not
//! have, or stands in the book's table of differences with its smallest run.

use std::{sync::Arc, time::Duration};

use headroom_policy_engine::{hpa::*, *};
use proptest::{collection::vec, option, prelude::*};

use super::{
    invariants::apply,
    world::{Event, any_event, any_policy, any_value},
};

fn any_amounts() -> impl Strategy<Value = Amounts> {
    let amount = prop_oneof![4 => 0_i64..4_000_000, 1 => any::<i64>()];
    (
        option::weighted(0.9, amount.clone()),
        option::weighted(0.8, amount),
    )
        .prop_map(|(cpu, memory)| {
            let with = |amounts: Amounts, resource, amount: Option<i64>| match amount {
                Some(amount) => amounts.with(resource, Milli::new(amount)),
                None => amounts,
            };
            with(
                with(Amounts::default(), Resource::Cpu, cpu),
                Resource::Memory,
                memory,
            )
        })
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    let now = 1_700_000_000_000_i64;
    prop_oneof![
        4 => (0_i64..1_000_000).prop_map(move |age| Timestamp::from_unix_millis(now - age)),
        1 => any::<i64>().prop_map(Timestamp::from_unix_millis),
    ]
}

fn any_container() -> impl Strategy<Value = Container> {
    (0_u16..3, any_amounts()).prop_map(|(id, requests)| Container {
        id: ContainerId(id),
        requests,
    })
}

pub fn any_pod() -> impl Strategy<Value = Pod> {
    let phase = prop_oneof![
        6 => Just(PodPhase::Running),
        1 => Just(PodPhase::Pending),
        1 => Just(PodPhase::Succeeded),
        1 => Just(PodPhase::Failed),
        1 => Just(PodPhase::Unknown),
    ];
    let status = prop_oneof![
        6 => Just(ConditionStatus::True),
        2 => Just(ConditionStatus::False),
        1 => Just(ConditionStatus::Unknown),
    ];
    let ready = (status, any_time()).prop_map(|(status, since)| ReadyCondition { status, since });
    let kind = prop_oneof![Just(InitKind::Ordinary), Just(InitKind::Sidecar)];
    let init = (any_container(), kind).prop_map(|(container, kind)| InitContainer { container, kind });
    (
        phase,
        prop::bool::weighted(0.05),
        option::weighted(0.9, ready),
        option::weighted(0.9, any_time()),
        vec(any_container(), 0..3),
        vec(init, 0..2),
        option::weighted(0.1, any_amounts()),
    )
        .prop_map(
            |(phase, deleted, ready, started_at, containers, init_containers, pod_level)| Pod {
                phase,
                deleted,
                ready,
                started_at,
                containers,
                init_containers,
                pod_level,
            },
        )
}

fn any_usage() -> impl Strategy<Value = PodUsage> {
    let container = (0_u16..3, any_amounts()).prop_map(|(id, usage)| ContainerUsage {
        id: ContainerId(id),
        usage,
    });
    (any_time(), 0_u64..120, vec(container, 0..3)).prop_map(|(measured_at, window, containers)| PodUsage {
        measured_at,
        window: Duration::from_secs(window),
        containers,
    })
}

fn any_pod_value() -> impl Strategy<Value = PodValue> {
    (any_time(), option::of(0_u64..120), any::<i32>()).prop_map(|(measured_at, window, value)| PodValue {
        measured_at,
        window: window.map(Duration::from_secs),
        value: Milli::new(value.into()),
    })
}

fn per_pod<T: std::fmt::Debug + Clone>(
    pods: usize,
    each: impl Strategy<Value = T> + Clone,
) -> impl Strategy<Value = PerPod<T>> {
    let of_pods = vec(option::weighted(0.85, each.clone()), pods);
    (of_pods, vec(each, 0..2)).prop_map(|(of_pods, strangers)| PerPod { of_pods, strangers })
}

fn any_samples(pods: usize) -> impl Strategy<Value = MetricSamples> {
    prop_oneof![
        4 => per_pod(pods, any_usage().boxed()).prop_map(MetricSamples::Usage),
        2 => per_pod(pods, any_pod_value().boxed()).prop_map(MetricSamples::Values),
        1 => any::<i64>().prop_map(|value| MetricSamples::Object(Milli::new(value))),
        1 => vec(any::<i64>().prop_map(Milli::new), 0..3).prop_map(MetricSamples::Series),
    ]
}

pub fn any_pods() -> impl Strategy<Value = Pods> {
    (0_usize..4).prop_flat_map(|count| {
        (
            vec(any_pod(), count),
            vec(option::weighted(0.7, any_samples(count)), 3),
        )
            .prop_map(|(pods, samples)| Pods { pods, samples })
    })
}

fn any_kind() -> impl Strategy<Value = MetricKind> {
    prop_oneof![
        2 => Just(MetricKind::Resource(Resource::Cpu)),
        1 => Just(MetricKind::Resource(Resource::Memory)),
        1 => Just(MetricKind::ContainerResource(Resource::Cpu, ContainerId(1))),
        1 => Just(MetricKind::Pods),
        1 => Just(MetricKind::Object),
        2 => Just(MetricKind::External),
        1 => Just(MetricKind::Unsupported),
    ]
}

fn any_settings() -> impl Strategy<Value = HpaSettings> {
    let zero = prop_oneof![
        Just(ZeroReplicasRule::ScaledToZeroCondition),
        Just(ZeroReplicasRule::MinReplicas)
    ];
    (0_u64..400, 0_u64..60, 0_u64..400, any::<[bool; 3]>(), zero).prop_map(
        |(initialization, delay, downscale, [to_zero, tolerance, pod_level], zero)| HpaSettings {
            cpu_initialization: Duration::from_secs(initialization),
            initial_readiness_delay: Duration::from_secs(delay),
            downscale_stabilization: Duration::from_secs(downscale),
            gates: Gates {
                scale_to_zero: to_zero,
                configurable_tolerance: tolerance,
                pod_level_resources: pod_level,
            },
            zero,
            ..HpaSettings::default()
        },
    )
}

/// A policy of the HPA: any other, with kinds of metrics, settings and a path.
pub fn any_hpa_policy() -> impl Strategy<Value = WorkloadPolicy> {
    let path = prop_oneof![Just(HpaPath::WithBehavior), Just(HpaPath::WithoutBehavior)];
    (any_policy(), vec(any_kind(), 3), any_settings(), path).prop_map(
        |(mut policy, kinds, settings, path)| {
            policy.semantics = Semantics::Hpa(path);
            policy.hpa = Arc::new(settings);
            for (metric, kind) in policy.metrics.iter_mut().zip(kinds) {
                metric.kind = kind;
            }
            policy
        },
    )
}

/// One round, with everything that led to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Round {
    now: Timestamp,
    pub workload: Workload,
    seen: Observations,
    pub decision: Decision,
    pub steps: Explanation,
    status: RoundStatus,
    begun: Memory,
    after: Memory,
}

pub type Happening = (Event, Pods, u32, SelectorState);

pub fn any_rounds() -> impl Strategy<Value = Vec<Happening>> {
    let selector = prop_oneof![
        8 => Just(SelectorState::Usable),
        1 => Just(SelectorState::Missing),
        1 => Just(SelectorState::Invalid),
        1 => Just(SelectorState::Ambiguous),
    ];
    let extra = (any_pods(), 0_u32..40, selector);
    (vec(any_event(), 1..15), vec(extra, 15)).prop_map(|(events, extra)| {
        let happenings = events.into_iter().zip(extra);
        happenings
            .map(|(event, (pods, status, selector))| (event, pods, status, selector))
            .collect()
    })
}

pub fn run(
    policy: &WorkloadPolicy,
    mut current: u32,
    rounds: &[Happening],
    mut between: impl FnMut(Memory) -> Memory,
) -> Vec<Round> {
    let (mut memory, mut now, mut told) = (Memory::default(), 1_700_000_000_000_i64, Vec::new());
    for (event, pods, status, selector) in rounds {
        now = now.saturating_add(event.millis);
        current = event.external.unwrap_or(current);
        let at = Timestamp::from_unix_millis(now);
        if event.holds.contains(&Hold::BeingDeleted) {
            // Stands for a target that cannot be read.
            let refused = memory.begin(policy, Err(TargetUnreadable), at).unwrap_err();
            assert_eq!(refused.error, Some(RoundError::TargetUnreadable));
            continue;
        }
        let workload = Workload {
            observed: Some(Replicas::new(*status)),
            selector: *selector,
            readiness: event.readiness,
            ..Workload::running(Replicas::new(current))
        };
        let workload = memory.begin(policy, Ok(workload), at).unwrap();
        let begun = memory.clone();
        let observed: Observations = event.values.iter().copied().collect();
        let seen = observed.with_pods(pods.clone());
        let mut steps = Explanation::default();
        let decision = evaluate(policy, &workload, &seen, &mut memory, at, &mut steps);
        let status = memory.record_outcome(&decision, event.outcome, at);
        memory = between(memory);
        if event.outcome == Outcome::Written {
            current = decision.desired().get();
        }
        told.push(Round {
            now: at,
            workload,
            seen,
            decision,
            steps,
            status,
            begun,
            after: memory.clone(),
        });
    }
    told
}

proptest! {
    #[test]
    fn i01_any_input_gives_a_decision_as_the_hpa(policy in any_hpa_policy(), current in any::<u32>(), rounds in any_rounds()) {
        run(&policy, current, &rounds, |memory| memory);
    }

    #[test]
    fn i01_any_operation_of_the_hpa_gives_an_answer(
        spec in any::<i32>(), status in any::<i32>(), desired in any::<i32>(), value in any_value(), percent in any::<i32>(), target in any::<i64>(),
        kind in any_kind(), pods in any_pods(), settings in any_settings(),
        changes in vec((any::<u32>(), 0_u64..4000), 0..4), bounds in any::<[i32; 2]>(),
    ) {
        let asked = Asked { scale: ScaleCounts { spec, status }, pods: &pods.pods, settings: &settings, now: Timestamp::from_unix_millis(1_700_000_000_000) };
        for target in [HpaTarget::Utilization(percent), HpaTarget::AverageValue(Milli::new(target)), HpaTarget::Value(Milli::new(target))] {
            for samples in pods.samples.iter().flatten() {
                let _ = desired_replicas(kind, target, Ok(samples), Tolerance::TENTH, asked);
            }
        }
        let changes: Vec<ChangeBefore> = changes.into_iter().map(|(amount, age)| (amount, Duration::from_secs(age))).collect();
        let both = Changes { up: changes.clone(), down: changes };
        let bounds = HpaBounds { min: bounds[0], max: bounds[1] };
        let rules = |direction| complete_rules(&HpaRules::default(), direction, &settings).limits;
        let limited = rate_limit(spec, desired, bounds, &rules(Direction::Up), &rules(Direction::Down), &both);
        prop_assert!(limited.replicas == desired || limited.reason != LimitReason::DesiredWithinRange);
        let _ = rate_limit_legacy(spec, desired, bounds, settings.scale_up_limit);
        prop_assert_eq!(Milli::from_value(value).get(), Milli::from_value(value + 0.0).get());
    }

    #[test]
    fn i02_a_count_lies_inside_the_bounds_or_is_off(policy in any_hpa_policy(), current in 0_u32..60, rounds in any_rounds()) {
        for round in run(&policy, current, &rounds, |memory| memory) {
            let reason = round.decision.reason();
            let is_kept = matches!(reason, Reason::Off | Reason::SelectorUnusable | Reason::Blind | Reason::MetricUnknown);
            let desired = round.decision.desired();
            prop_assert!(policy.bounds.contains(desired) || (is_kept && desired == round.workload.current), "{:?}", round.decision);
        }
    }

    #[test]
    fn i04_an_hpas_memory_comes_back_bit_for_bit(policy in any_hpa_policy(), current in 0_u32..60, rounds in any_rounds()) {
        for round in run(&policy, current, &rounds, |memory| memory) {
            let bytes = postcard::to_stdvec(&round.after).unwrap();
            let back: Memory = postcard::from_bytes(&bytes).unwrap();
            prop_assert_eq!(&back, &round.after);
            prop_assert_eq!(postcard::to_stdvec(&back).unwrap(), bytes);
        }
    }

    #[test]
    fn i09_the_same_rounds_give_the_same_answers(policy in any_hpa_policy(), current in 0_u32..60, rounds in any_rounds()) {
        prop_assert_eq!(run(&policy, current, &rounds, |memory| memory), run(&policy, current, &rounds, |memory| memory));
    }

    #[test]
    fn i10_the_same_round_again_changes_nothing(policy in any_hpa_policy(), current in 0_u32..60, rounds in any_rounds()) {
        for round in run(&policy, current, &rounds, |memory| memory) {
            let mut memory = round.begun.clone();
            let once = evaluate(&policy, &round.workload, &round.seen, &mut memory, round.now, &mut NoSteps);
            let after_once = memory.clone();
            // With and without its beginning.
            let twice = evaluate(&policy, &round.workload, &round.seen, &mut memory, round.now, &mut NoSteps);
            prop_assert_eq!(once, twice);
            prop_assert_eq!(&after_once, &memory);
            let workload = memory.begin(&policy, Ok(round.workload.clone()), round.now).unwrap();
            let twice = evaluate(&policy, &workload, &round.seen, &mut memory, round.now, &mut NoSteps);
            prop_assert_eq!(once, twice);
            prop_assert_eq!(after_once, memory);
        }
    }

    #[test]
    fn i11_a_restart_between_rounds_changes_nothing(policy in any_hpa_policy(), current in 0_u32..60, rounds in any_rounds()) {
        let restarted = run(&policy, current, &rounds, |memory| postcard::from_bytes(&postcard::to_stdvec(&memory).unwrap()).unwrap());
        prop_assert_eq!(run(&policy, current, &rounds, |memory| memory), restarted);
    }

    #[test]
    fn i12_an_hpas_memory_stays_small(policy in any_hpa_policy(), current in 1_u32..60, spacing in 100_i64..4_000) {
        let (mut memory, mut count) = (Memory::default(), Replicas::new(current));
        for turn in 0..3_000_i64 {
            let now = Timestamp::from_unix_millis(turn * spacing);
            let load = if turn % 40 < 20 { 0.1 } else { 1900.0 };
            let seen: Observations = std::iter::repeat_n(super::world::known(load), 3).collect();
            let workload = memory.begin(&policy, Ok(Workload::running(count)), now).unwrap();
            let decision = evaluate(&policy, &workload, &seen, &mut memory, now, &mut NoSteps);
            memory.record_outcome(&decision, Outcome::Written, now);
            count = decision.desired();
        }
        let size = postcard::to_stdvec(&memory).unwrap().len();
        prop_assert!(size < 64 * 1024, "{} bytes", size);
    }

    #[test]
    fn i13_without_an_explanation_the_hpas_decision_is_the_same(policy in any_hpa_policy(), current in 0_u32..60, rounds in any_rounds()) {
        for round in run(&policy, current, &rounds, |memory| memory) {
            let mut memory = round.begun.clone();
            let silent = evaluate(&policy, &round.workload, &round.seen, &mut memory, round.now, &mut NoSteps);
            prop_assert_eq!(silent, round.decision);
        }
    }

    #[test]
    fn i14_the_hpas_steps_lead_to_its_decision(policy in any_hpa_policy(), current in 0_u32..60, rounds in any_rounds()) {
        for round in run(&policy, current, &rounds, |memory| memory) {
            let end = round.steps.0.iter().fold(round.workload.current, apply);
            prop_assert_eq!(end, round.decision.desired(), "{}", round.steps);
        }
    }

    #[test]
    fn i18_with_behavior_stabilization_stays_between_the_count_and_the_proposal(mut policy in any_hpa_policy(), current in 0_u32..60, rounds in any_rounds()) {
        policy.semantics = Semantics::Hpa(HpaPath::WithBehavior);
        for round in run(&policy, current, &rounds, |memory| memory) {
            for step in &round.steps.0 {
                if let Step::Stabilized { wanted, kept, .. } = step {
                    let current = round.workload.current;
                    prop_assert!(*kept >= current.min(*wanted) && *kept <= current.max(*wanted));
                }
            }
        }
    }

    #[test]
    fn i27_a_metric_that_fails_lowers_nothing(policy in any_hpa_policy(), current in 1_u32..60, rounds in any_rounds()) {
        for round in run(&policy, current, &rounds, |memory| memory) {
            let failed = matches!(round.status.error, Some(RoundError::Metric { .. }));
            let was_inside = policy.bounds.contains(round.workload.current);
            if failed && was_inside && policy.fallback.is_none() {
                let proposed = round.steps.0.iter().filter_map(|step| match step {
                    Step::Recommended { proposal: Proposal::Replicas(replicas), .. } => Some(*replicas),
                    _ => None,
                });
                if proposed.max().is_none_or(|largest| largest < round.workload.current) {
                    prop_assert_eq!(round.decision.desired(), round.workload.current);
                }
            }
        }
    }
}
