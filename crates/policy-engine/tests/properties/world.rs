//! A random world around one workload: policies, loads, clocks and people that do what real ones do, and worse.

use std::time::Duration;

use headroom_policy_engine::*;
use proptest::{collection::vec, prelude::*};

/// When every run begins, in milliseconds since the Unix epoch.
pub const BEGIN: i64 = 1_700_000_000_000;

/// One evaluation, with everything that led to it.
#[derive(Clone, Debug)]
pub struct Turn {
    pub now: Timestamp,
    /// The bounds that held.
    pub bounds: ReplicaBounds,
    pub workload: Workload,
    pub seen: Observations,
    pub decision: Decision,
    pub steps: Explanation,
    pub outcome: Outcome,
    /// The memory before it, and after its outcome.
    pub before: Memory,
    pub after: Memory,
}

/// What happens between two evaluations, and in one.
#[derive(Clone, Debug)]
pub struct Event {
    pub millis: i64,
    pub values: Vec<Observation>,
    pub external: Option<u32>,
    pub outcome: Outcome,
    pub readiness: Readiness,
    pub holds: Vec<Hold>,
    pub bounds: ActiveBounds,
    pub origin: CountOrigin,
}

pub fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => 0.0..2000.0_f64,
        2 => (0_u32..20).prop_map(|n| f64::from(n) * 100.0),
        1 => Just(0.0),
        1 => Just(-0.0),
        1 => prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(f64::MAX), Just(-1.0), Just(f64::MIN_POSITIVE)],
        1 => any::<u64>().prop_map(f64::from_bits),
    ]
}

fn any_cause() -> impl Strategy<Value = MissingCause> {
    prop_oneof![
        Just(MissingCause::NoData),
        Just(MissingCause::TimedOut),
        Just(MissingCause::Unreachable),
        Just(MissingCause::NotANumber),
        Just(MissingCause::ClockSkew),
    ]
}

/// What a source says, judged as the live pass judges it.
pub fn any_observation() -> impl Strategy<Value = Observation> {
    let coverage = (
        proptest::option::of(0.0..40.0_f64),
        proptest::option::of(0.0..1.0_f64),
    );
    prop_oneof![
        8 => any_value().prop_map(|value| judged(value, None, Coverage::default())),
        1 => (any_value(), 0_i64..400_000).prop_map(|(value, age)| judged(value, Some(age), Coverage::default())),
        1 => (any_value(), coverage).prop_map(|(value, (replicas, window))| judged(value, None, Coverage { replicas, window })),
        1 => any_cause().prop_map(|cause| Observation::Missing { cause }),
    ]
}

fn judged(value: f64, age: Option<i64>, coverage: Coverage) -> Observation {
    let now = Timestamp::from_unix_millis(1_000_000_000);
    let newest_sample = age.map(|age| Timestamp::from_unix_millis(1_000_000_000 - age));
    let reading = Reading {
        value,
        answered_at: Some(now),
        newest_sample,
        coverage,
    };
    let freshness = Freshness {
        max_age: Duration::from_secs(120),
    };
    Observation::judge(Ok(reading), freshness, Replicas::new(10), Readiness::Unknown, now)
}

pub fn known(value: f64) -> Observation {
    judged(value, None, Coverage::default())
}

fn any_rule() -> impl Strategy<Value = MetricRule> {
    let breach = |threshold: std::ops::Range<f64>| {
        (threshold, proptest::option::of(0_u64..120), 1_u32..5).prop_map(|(threshold, lasting, step)| {
            Breach {
                threshold,
                lasting: lasting.map(Duration::from_secs),
                step: Replicas::new(step),
            }
        })
    };
    prop_oneof![
        3 => (1.0..500.0_f64).prop_map(|target| MetricRule::PerReplica(Target::new(target).unwrap())),
        2 => (0.05..1.0_f64).prop_map(|target| MetricRule::Utilization(TargetUtilization::new(target).unwrap())),
        1 => (1.0..500.0_f64).prop_map(|target| MetricRule::Value(Target::new(target).unwrap())),
        1 => (proptest::option::of(breach(500.0..1000.0)), breach(0.0..400.0))
            .prop_map(|(above, below)| MetricRule::Step(StepRule::new(above, Some(below)).unwrap())),
        1 => (1.0..200.0_f64, 1.1..4.0_f64, prop_oneof![Just(Compared::PerReplica), Just(Compared::Value)]).prop_map(|(low, times, compared)| {
            let mark = |mark| Target::new(mark).unwrap();
            MetricRule::Watermarks(Watermarks::new(compared, mark(low), mark(low * times)).unwrap())
        }),
        1 => breach(100.0..1000.0).prop_map(|above| MetricRule::Step(StepRule::new(Some(above), None).unwrap())),
    ]
}

pub fn any_metric() -> impl Strategy<Value = MetricPolicy> {
    let votes = prop_oneof![4 => Just(Votes::UpAndDown), 1 => Just(Votes::UpOnly)];
    let on_missing =
        prop_oneof![3 => Just(OnMissing::Block), 1 => Just(OnMissing::Ignore), 1 => Just(OnMissing::Zero)];
    let group = proptest::option::weighted(0.2, prop_oneof![Just("a"), Just("b")]);
    (any_rule(), votes, on_missing, 0.0..0.3_f64, 0.0..0.3_f64, group).prop_map(
        |(rule, votes, on_missing, up, down, group)| MetricPolicy {
            group: group.map(GroupName::new),
            activation: Activation::None,
            kind: MetricKind::External,
            name: MetricName::new("m"),
            rule,
            votes,
            on_missing,
            tolerance: Tolerance::new(up, down).unwrap(),
        },
    )
}

fn any_rules(longest: u64) -> impl Strategy<Value = ScalingRules> {
    let amount = prop_oneof![
        (1_u32..20).prop_map(ChangeAmount::Replicas),
        (1_u32..200).prop_map(ChangeAmount::Percent)
    ];
    let limit = (amount, 1_u64..120)
        .prop_map(|(amount, period)| ChangeLimit::new(amount, Duration::from_secs(period)).unwrap());
    let select = prop_oneof![4 => Just(LimitSelection::Max), 2 => Just(LimitSelection::Min), 1 => Just(LimitSelection::Disabled)];
    (0..=longest, select, vec(limit, 0..3)).prop_map(|(window, select, limits)| ScalingRules {
        stabilization: StabilizationWindow::new(Duration::from_secs(window)).unwrap(),
        limits: ChangeLimits { select, limits },
    })
}

pub fn any_action() -> impl Strategy<Value = FallbackAction> {
    prop_oneof![
        3 => (1_u32..30).prop_map(|replicas| FallbackAction::AtLeast(Replicas::new(replicas))),
        1 => Just(FallbackAction::Hold),
        1 => Just(FallbackAction::LastKnown),
    ]
}

pub fn any_policy() -> impl Strategy<Value = WorkloadPolicy> {
    let when = prop_oneof![2 => Just(FallbackWhen::All), 1 => Just(FallbackWhen::Any)];
    let fallback = (any_action(), 1_u64..300, when).prop_map(|(action, after, when)| Fallback {
        action,
        after: Duration::from_secs(after),
        when,
    });
    let fallback = proptest::option::of(fallback);
    (
        1_u32..10,
        0_u32..40,
        vec(any_metric(), 1..4),
        any_rules(60),
        any_rules(400),
        fallback,
        0_u32..6,
        1_u64..60,
        proptest::option::weighted(0.3, 1_u64..120),
    )
        .prop_map(
            |(min, more, mut metrics, scale_up, scale_down, fallback, max_reversals, interval, idle)| {
                for (index, metric) in metrics.iter_mut().enumerate() {
                    metric.name = MetricName::new(&format!("m{index}"));
                }
                let zero = idle.map(|idle| {
                    metrics[0].activation = Activation::FromZero;
                    ScaleToZero::new(Duration::from_secs(idle), &metrics).unwrap()
                });
                WorkloadPolicy {
                    semantics: Semantics::Headroom,
                    hpa: Default::default(),
                    bounds: ReplicaBounds::new(Replicas::new(min), Replicas::new(min + more)).unwrap(),
                    zero,
                    metrics,
                    scale_up,
                    scale_down,
                    fallback,
                    guards: Guards {
                        startup: Duration::from_secs(30),
                        max_reversals,
                    },
                    interval: EvaluationInterval::new(Duration::from_secs(interval)).unwrap(),
                }
            },
        )
}

/// What schedules and overrides ask for: nothing for the most part, otherwise anything they may.
pub fn any_active_bounds() -> impl Strategy<Value = ActiveBounds> {
    let bound = |by: BoundSource| {
        let some =
            (1_u32..60).prop_map(move |count| ActiveBound::new(Replicas::new(count), by.clone()).unwrap());
        prop_oneof![2 => Just(None), 1 => some.prop_map(Some)]
    };
    let schedule = BoundSource::Schedule(ScheduleName::new("sale"));
    let person = BoundSource::Override(Operator {
        by: Some("ada".into()),
        reason: None,
    });
    (bound(schedule), bound(person)).prop_map(|(floor, ceiling)| ActiveBounds { floor, ceiling })
}

/// One hold in a fifth of the events, sometimes two. An end lies within the time that most runs take.
pub fn any_holds() -> impl Strategy<Value = Vec<Hold>> {
    let ends = || (0_i64..1_000_000).prop_map(|millis| Timestamp::from_unix_millis(BEGIN + millis));
    let until = || proptest::option::of(ends());
    let name = || Just("somebody".into());
    let wants = || proptest::option::of((1_u32..40).prop_map(Replicas::new));
    let source = prop_oneof![
        Just(HoldSource::Override(Operator::default())),
        name().prop_map(HoldSource::Query),
        name().prop_map(|query| HoldSource::UnknownQuery {
            query,
            why: WhyUnknown::Partial
        })
    ];
    let hold = prop_oneof![
        2 => until().prop_map(|until| Hold::Paused { until }),
        1 => (name(), wants()).prop_map(|(name, wants)| Hold::SecondScaler { name, wants }),
        1 => name().prop_map(|by| Hold::SecondHeadroom { by }),
        1 => (name(), name(), name())
            .prop_map(|(by, resources, mode)| Hold::RequestsSet { by, resources, mode }),
        1 => Just(Hold::BeingDeleted),
        2 => (1_u32..4).prop_map(|failing| Hold::FailingToStart { failing: Replicas::new(failing) }),
        2 => (source, until()).prop_map(|(by, until)| Hold::ScaleDownHeld { by, until }),
        1 => until().prop_map(|until| Hold::RollingOut { until }),
        1 => (proptest::option::of(name()), until()).prop_map(|(by, until)| Hold::Contested { by, until }),
        1 => ends().prop_map(|until| Hold::FleetBrake { until }),
    ];
    prop_oneof![4 => Just(Vec::new()), 1 => vec(hold, 1..3)]
}

fn any_origin() -> impl Strategy<Value = CountOrigin> {
    prop_oneof![
        8 => Just(CountOrigin::Read),
        1 => Just(CountOrigin::WrittenByHeadroom),
        1 => Just(CountOrigin::WrittenByOthers),
        1 => Just(CountOrigin::NeverStarted),
    ]
}

pub fn any_event() -> impl Strategy<Value = Event> {
    let millis = prop_oneof![
        8 => 1_000_i64..30_000,
        1 => Just(0_i64),
        1 => -100_000_i64..0,
        1 => 100_000_i64..5_000_000,
        1 => 1_i64..1_000,
    ];
    let outcome = prop_oneof![
        6 => Just(Outcome::Written),
        1 => Just(Outcome::Failed),
        1 => Just(Outcome::Conflict),
        1 => Just(Outcome::NotAttempted),
    ];
    let readiness = prop_oneof![
        3 => Just(Readiness::Unknown),
        1 => (0_u32..40, proptest::option::of(0_u64..300)).prop_map(|(ready, longest)| Readiness::Known {
            ready: Replicas::new(ready),
            longest_unready: longest.map(Duration::from_secs),
        }),
    ];
    let external = prop_oneof![9 => Just(None), 1 => (0_u32..60).prop_map(Some)];
    (
        millis,
        vec(any_observation(), 3),
        external,
        outcome,
        readiness,
        any_holds(),
        any_active_bounds(),
        any_origin(),
    )
        .prop_map(
            |(millis, values, external, outcome, readiness, holds, bounds, origin)| Event {
                millis,
                values,
                external,
                outcome,
                readiness,
                holds,
                bounds,
                origin,
            },
        )
}

pub fn any_events() -> impl Strategy<Value = Vec<Event>> {
    vec(any_event(), 1..60)
}

/// Events of a quiet world: time goes on evenly, nobody interferes, every value is known.
pub fn calm_events(spacing_millis: i64, len: usize) -> impl Strategy<Value = Vec<Event>> {
    vec(vec(0.0..2000.0_f64, 3), len).prop_map(move |all| {
        all.into_iter()
            .map(|values| Event {
                millis: spacing_millis,
                values: values.into_iter().map(known).collect(),
                external: None,
                outcome: Outcome::Written,
                readiness: Readiness::Unknown,
                holds: Vec::new(),
                origin: CountOrigin::Read,
                bounds: ActiveBounds::default(),
            })
            .collect()
    })
}

/// Runs `events` from `current` replicas and a new memory.
pub fn run(policy: &WorkloadPolicy, current: u32, events: &[Event]) -> Vec<Turn> {
    run_with(policy, current, events, |memory| memory)
}

/// The same, with something done to the memory between any two evaluations.
pub fn run_with(
    policy: &WorkloadPolicy,
    current: u32,
    events: &[Event],
    between: impl FnMut(Memory) -> Memory,
) -> Vec<Turn> {
    run_under(|_| policy, current, events, between)
}

/// The same, with a policy for each of `events` by its number.
pub fn run_under<'a>(
    policies: impl Fn(usize) -> &'a WorkloadPolicy,
    mut current: u32,
    events: &[Event],
    mut between: impl FnMut(Memory) -> Memory,
) -> Vec<Turn> {
    let mut memory = Memory::default();
    let mut now = BEGIN;
    let mut turns = Vec::new();
    for (number, event) in events.iter().enumerate() {
        let policy = policies(number);
        now = now.saturating_add(event.millis);
        current = event.external.unwrap_or(current);
        let workload = Workload {
            origin: event.origin,
            readiness: event.readiness,
            holds: event.holds.clone(),
            bounds: event.bounds.clone(),
            ..Workload::running(Replicas::new(current))
        };
        let seen: Observations = event.values[..policy.metrics.len()].iter().copied().collect();
        let at = Timestamp::from_unix_millis(now);
        let before = memory.clone();
        let mut steps = Explanation::default();
        let decision = evaluate(policy, &workload, &seen, &mut memory, at, &mut steps);
        memory.record_outcome(&decision, event.outcome, at);
        memory = between(memory);
        if event.outcome == Outcome::Written {
            current = decision.desired().get();
        }
        turns.push(Turn {
            now: at,
            bounds: workload.bounds.over(policy.bounds),
            workload,
            seen,
            decision,
            steps,
            outcome: event.outcome,
            before,
            after: memory.clone(),
        });
    }
    turns
}

/// What was recommended, and whether any metric had a vote in it.
pub fn recommended(steps: &Explanation) -> Option<(Replicas, bool)> {
    let mut found = None;
    for step in &steps.0 {
        match step {
            Step::Combined { replicas, by } => found = Some((*replicas, by.is_some())),
            Step::KeptForGroup { kept, .. } => found = Some((*kept, true)),
            _ => {}
        }
    }
    found
}

impl Turn {
    pub fn current(&self) -> u32 {
        self.workload.current.get()
    }

    pub fn desired(&self) -> u32 {
        self.decision.desired().get()
    }

    pub fn recommended(&self) -> u32 {
        recommended(&self.steps)
            .map(|(replicas, _)| replicas.get())
            .expect("every evaluation combines")
    }

    pub fn has(&self, is_it: impl Fn(&Step) -> bool) -> bool {
        self.steps.0.iter().any(is_it)
    }

    /// Whether a hold of `held` had a say under `semantics`.
    pub fn is_held(&self, held: Held, semantics: Semantics) -> bool {
        self.workload.holds.iter().any(|hold| {
            let has_a_say = semantics == Semantics::Headroom || hold.holds_the_hpa();
            hold.held() == held && hold.is_in_force(self.now) && has_a_say
        })
    }

    /// Whether a stage that is exempt from stabilization and limits moved the number.
    pub fn is_exempt(&self) -> bool {
        self.has(|step| {
            matches!(
                step,
                Step::Bounded { .. }
                    | Step::FellBack { .. }
                    | Step::Forbidden { .. }
                    | Step::Activated { .. }
            )
        })
    }

    pub fn knows_anything(&self) -> bool {
        self.decision.reason() != Reason::Blind
            && self.has(|step| {
                matches!(
                    step,
                    Step::Recommended {
                        seen: Observation::Fresh(_) | Observation::Partial(_),
                        ..
                    }
                )
            })
    }
}

/// Headroom's own semantics as often as the HPA's, and those in both of its ways.
pub fn any_semantics() -> impl Strategy<Value = Semantics> {
    prop_oneof![
        2 => Just(Semantics::Headroom),
        1 => Just(Semantics::Hpa(HpaPath::WithBehavior)),
        1 => Just(Semantics::Hpa(HpaPath::WithoutBehavior)),
    ]
}
