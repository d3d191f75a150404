//! An example of every kind of step and of each of its variants, for the tests of whatever shows or writes them.

mod holds;

use std::time::Duration;

use self::holds::anna;
pub use self::holds::holds;
use crate::{
    Arithmetic, BoundSource, Breach, ChangeAmount, ChangeLimit, Compared, Coverage, Direction, Easing,
    FallbackAction, GroupName, Held, Hold, MetricName, MetricRule, MissingCause, Observation, Operator,
    Pending, Proposal, ReplicaBounds, Replicas, Sample, ScheduleName, SelectorState, StabilizationWindow,
    Stabilizing, Step, StepRule, Target, TargetUtilization, Terms, Timestamp, Tolerance, Votes, Watermarks,
    hpa::MetricError,
};

/// When every example was decided: 2026-05-01 08:30 UTC.
pub const DECIDED_AT: Timestamp = Timestamp::from_unix_millis(1_777_624_200_000);

/// Examples of every kind of step, kind by kind, each variant once.
#[must_use]
pub fn steps() -> Vec<Step> {
    let mut all = Vec::new();
    let mut of_kind = recommended();
    loop {
        let next = of_kind.first().and_then(after);
        all.append(&mut of_kind);
        match next {
            Some(examples) => of_kind = examples,
            None => return all,
        }
    }
}

/// The examples of the kind that comes after that of `step`. A new kind has to be given its place here.
fn after(step: &Step) -> Option<Vec<Step>> {
    Some(match step {
        Step::Recommended { .. } => combined(),
        Step::Combined { .. } => kept_for_unknown(),
        Step::KeptForUnknown { .. } => kept_for_group(),
        Step::KeptForGroup { .. } => stabilized(),
        Step::Stabilized { .. } => limited(),
        Step::Limited { .. } => limited_as_hpa(),
        Step::LimitedAsHpa { .. } => selector_refused(),
        Step::SelectorRefused { .. } => held_not_ready(),
        Step::HeldNotReady { .. } => held(),
        Step::Held { .. } => restored(),
        Step::Restored { .. } => restore_delayed(),
        Step::RestoreDelayed { .. } => held_flapping(),
        Step::HeldFlapping { .. } => held_clock(),
        Step::HeldClock { .. } => fell_back(),
        Step::FellBack { .. } => kept_after_fallback(),
        Step::KeptAfterFallback { .. } => activated(),
        Step::Activated { .. } => kept_from_zero(),
        Step::KeptFromZero { .. } => bounded(),
        Step::Bounded { .. } => forbidden(),
        Step::Forbidden { .. } => return None,
    })
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn count(replicas: u32) -> Replicas {
    Replicas::new(replicas)
}

fn asks_for(replicas: u32) -> Proposal {
    Proposal::Replicas(count(replicas))
}

fn sample(value: f64) -> Sample {
    Sample {
        value,
        measured_at: Some(DECIDED_AT.minus(seconds(3))),
        coverage: Coverage {
            replicas: Some(3.0),
            window: Some(0.9),
        },
    }
}

fn fresh(value: f64) -> Observation {
    Observation::Fresh(sample(value))
}

fn stale(value: f64) -> Observation {
    Observation::Stale {
        sample: Sample {
            measured_at: Some(DECIDED_AT.minus(seconds(720))),
            ..sample(value)
        },
        age: seconds(720),
    }
}

fn missing(cause: MissingCause) -> Observation {
    Observation::Missing { cause }
}

/// A metric of a workload with four replicas.
#[derive(Clone, Copy)]
struct Metric {
    name: &'static str,
    terms: Terms,
}

fn metric(name: &'static str, rule: MetricRule) -> Metric {
    Metric {
        name,
        terms: Terms {
            rule,
            votes: Votes::UpAndDown,
            tolerance: Tolerance::TENTH,
            current: count(4),
            arithmetic: Arithmetic::Headroom,
        },
    }
}

impl Metric {
    fn with(mut self, change: impl FnOnce(&mut Terms)) -> Self {
        change(&mut self.terms);
        self
    }

    fn step(self, seen: Observation, proposal: Proposal) -> Step {
        Step::Recommended {
            metric: MetricName::new(self.name),
            seen,
            terms: self.terms,
            pending: None,
            proposal,
        }
    }

    fn waits(self, value: f64, replicas: u32, after: u64) -> Step {
        let pending = Pending {
            replicas: count(replicas),
            after: seconds(after),
        };
        Step::Recommended {
            metric: MetricName::new(self.name),
            seen: fresh(value),
            terms: self.terms,
            pending: Some(pending),
            proposal: asks_for(4),
        }
    }
}

#[expect(
    clippy::expect_used,
    reason = "the numbers of the examples are legal, and every test that uses them would tell"
)]
fn legal<T, E: std::fmt::Debug>(built: Result<T, E>) -> T {
    built.expect("the numbers of the examples are legal")
}

fn cpu() -> Metric {
    let target = legal(TargetUtilization::new(0.7));
    metric("cpu", MetricRule::Utilization(target))
}

fn rate() -> Metric {
    metric("request_rate", MetricRule::PerReplica(legal(Target::new(100.0))))
}

fn lag() -> Metric {
    metric("queue_age", MetricRule::Value(legal(Target::new(30.0))))
}

fn latency(above: Option<f64>, below: Option<f64>) -> Metric {
    let breach = |threshold| Breach {
        threshold,
        lasting: Some(seconds(60)),
        step: count(1),
    };
    let rule = StepRule::new(above.map(breach), below.map(breach));
    metric("p95_latency", MetricRule::Step(legal(rule)))
}

fn marks(compared: Compared) -> Metric {
    let [low, high] = [50.0, 100.0].map(|mark| legal(Target::new(mark)));
    metric(
        "sessions",
        MetricRule::Watermarks(legal(Watermarks::new(compared, low, high))),
    )
}

fn recommended() -> Vec<Step> {
    let mut all = vec![
        cpu().step(fresh(0.83), asks_for(5)),
        cpu().step(fresh(0.71), asks_for(4)),
        cpu().step(fresh(0.3), asks_for(2)),
        cpu()
            .with(|terms| terms.arithmetic = Arithmetic::EachPod)
            .step(fresh(0.83), asks_for(5)),
        rate().step(fresh(930.0), asks_for(10)),
        rate()
            .with(|terms| terms.arithmetic = Arithmetic::Hpa { observed: count(4) })
            .step(fresh(930.0), asks_for(10)),
        rate()
            .with(|terms| terms.arithmetic = Arithmetic::EachPod)
            .step(fresh(232.5), asks_for(10)),
        lag().step(fresh(42.0), asks_for(6)),
        lag()
            .with(|terms| terms.votes = Votes::UpOnly)
            .step(fresh(12.0), Proposal::NoVote),
        latency(Some(2.0), None).step(fresh(1.2), Proposal::NoVote),
        latency(Some(2.0), Some(0.5)).step(fresh(1.2), asks_for(4)),
        latency(None, Some(0.5)).step(fresh(1.2), asks_for(4)),
        latency(Some(2.0), None).waits(2.3, 5, 40),
        latency(Some(2.0), None).waits(2.3, 5, 0),
        latency(None, Some(0.5)).waits(0.3, 3, 40),
        latency(Some(2.0), Some(0.5)).step(fresh(2.3), asks_for(5)),
        latency(Some(2.0), Some(0.5)).step(fresh(0.3), asks_for(3)),
        marks(Compared::PerReplica).step(fresh(930.0), asks_for(10)),
        marks(Compared::PerReplica).step(fresh(300.0), asks_for(4)),
        marks(Compared::Value).step(fresh(30.0), asks_for(2)),
        rate().step(Observation::Partial(sample(930.0)), asks_for(10)),
        rate().step(Observation::Partial(sample(180.0)), Proposal::NoVote),
        rate().step(stale(930.0), Proposal::Blocks),
        cpu().step(stale(0.83), Proposal::Ignored),
        rate().step(missing(MissingCause::NoData), Proposal::Ignored),
        rate().step(missing(MissingCause::NoData), asks_for(0)),
        latency(Some(2.0), None).step(missing(MissingCause::NotANumber), Proposal::NoVote),
        rate().step(missing(MissingCause::NoReplicas), Proposal::NoVote),
    ];
    let unknown = |cause| rate().step(missing(cause), Proposal::Blocks);
    all.extend(causes().into_iter().map(unknown));
    all
}

/// Every cause, each naming the next.
fn causes() -> Vec<MissingCause> {
    let mut all = vec![MissingCause::NotAsked];
    while let Some(next) = all.last().and_then(|&cause| cause_after(cause)) {
        all.push(next);
    }
    all
}

fn cause_after(cause: MissingCause) -> Option<MissingCause> {
    Some(match cause {
        MissingCause::NotAsked => MissingCause::NoData,
        MissingCause::NoData => MissingCause::Ambiguous { series: 3 },
        MissingCause::Ambiguous { .. } => MissingCause::WrongType,
        MissingCause::WrongType => MissingCause::NotANumber,
        MissingCause::NotANumber => MissingCause::Infinite,
        MissingCause::Infinite => MissingCause::Negative,
        MissingCause::Negative => MissingCause::TimedOut,
        MissingCause::TimedOut => MissingCause::Unreachable,
        MissingCause::Unreachable => MissingCause::Rejected { status: 503 },
        MissingCause::Rejected { .. } => MissingCause::Malformed,
        MissingCause::Malformed => MissingCause::TooLarge,
        MissingCause::TooLarge => MissingCause::ClockSkew,
        MissingCause::ClockSkew => MissingCause::NoRateYet,
        MissingCause::NoRateYet => MissingCause::NoReplicas,
        MissingCause::NoReplicas => MissingCause::Unusable {
            why: MetricError::Source,
        },
        MissingCause::Unusable { why } => MissingCause::Unusable {
            why: error_after(why)?,
        },
    })
}

fn error_after(error: MetricError) -> Option<MetricError> {
    Some(match error {
        MetricError::Source => MetricError::NoMetrics,
        MetricError::NoMetrics => MetricError::NoPods,
        MetricError::NoPods => MetricError::NoMetricsForTargetedPods,
        MetricError::NoMetricsForTargetedPods => MetricError::NoMetricsMatchKnownPods,
        MetricError::NoMetricsMatchKnownPods => MetricError::MissingRequest,
        MetricError::MissingRequest => MetricError::ContainerNotFound,
        MetricError::ContainerNotFound => MetricError::UnknownKind,
        MetricError::UnknownKind => MetricError::WrongTarget,
        MetricError::WrongTarget => return None,
    })
}

fn combined() -> Vec<Step> {
    let by = |replicas, by: Option<&str>| Step::Combined {
        replicas: count(replicas),
        by: by.map(MetricName::new),
    };
    vec![by(10, Some("request_rate")), by(1, Some("cpu")), by(4, None)]
}

fn kept_for_unknown() -> Vec<Step> {
    let seen = [
        missing(MissingCause::Unreachable),
        stale(930.0),
        Observation::Partial(sample(180.0)),
    ];
    seen.map(|seen| Step::KeptForUnknown {
        wanted: count(2),
        kept: count(4),
        metric: MetricName::new("request_rate"),
        seen,
    })
    .into()
}

fn kept_for_group() -> Vec<Step> {
    vec![Step::KeptForGroup {
        wanted: count(2),
        kept: count(4),
        group: GroupName::new("load"),
        metric: MetricName::new("cpu"),
    }]
}

fn stabilized() -> Vec<Step> {
    let window = |span| legal(StabilizationWindow::new(seconds(span)));
    let fall = |kept, by| Step::Stabilized {
        wanted: count(2),
        kept: count(kept),
        direction: Direction::Down,
        window: window(300),
        by,
    };
    let easing = |levels: &[(u64, u32)]| Stabilizing::Recommendations {
        easing: levels
            .iter()
            .map(|&(after, replicas)| Easing {
                after: seconds(after),
                replicas: count(replicas),
            })
            .collect(),
    };
    vec![
        fall(4, easing(&[(200, 2)])),
        fall(9, easing(&[(60, 7), (90, 3), (240, 2)])),
        fall(
            4,
            Stabilizing::Gaps {
                known: seconds(80),
                needed: seconds(240),
            },
        ),
        fall(
            4,
            Stabilizing::Gaps {
                known: seconds(240),
                needed: seconds(240),
            },
        ),
        fall(4, Stabilizing::Raised { ago: seconds(180) }),
        fall(4, Stabilizing::Undone { ago: seconds(180) }),
        Step::Stabilized {
            wanted: count(9),
            kept: count(5),
            direction: Direction::Up,
            window: window(60),
            by: easing(&[(40, 9)]),
        },
    ]
}

fn limited() -> Vec<Step> {
    let limit = |amount, period| Some(legal(ChangeLimit::new(amount, seconds(period))));
    let limited = |wanted, allowed, direction, limit: Option<ChangeLimit>, room| Step::Limited {
        wanted: count(wanted),
        allowed: count(allowed),
        direction,
        limit,
        room_after: limit.map(|_| seconds(room)),
    };
    let (up, down) = (Direction::Up, Direction::Down);
    vec![
        limited(10, 6, up, limit(ChangeAmount::Replicas(4), 15), 15),
        limited(10, 8, up, limit(ChangeAmount::Percent(100), 15), 10),
        limited(1, 3, down, limit(ChangeAmount::Replicas(1), 60), 40),
        limited(1, 3, down, limit(ChangeAmount::Percent(10), 60), 60),
        limited(10, 4, up, None, 0),
        limited(1, 4, down, None, 0),
    ]
}

fn limited_as_hpa() -> Vec<Step> {
    let limited = |wanted, allowed, direction, room: Option<u64>| Step::LimitedAsHpa {
        wanted: count(wanted),
        allowed: count(allowed),
        direction,
        room_after: room.map(seconds),
    };
    vec![
        limited(10, 8, Direction::Up, Some(15)),
        limited(10, 8, Direction::Up, Some(0)),
        limited(1, 3, Direction::Down, Some(60)),
        limited(1, 4, Direction::Down, None),
    ]
}

fn selector_refused() -> Vec<Step> {
    let refused = [
        SelectorState::Missing,
        SelectorState::Invalid,
        SelectorState::Ambiguous,
    ];
    refused
        .map(|selector| Step::SelectorRefused {
            kept: count(4),
            selector,
        })
        .into()
}

fn held_not_ready() -> Vec<Step> {
    vec![Step::HeldNotReady {
        wanted: count(10),
        kept: count(5),
        ready: count(3),
        starting_for: seconds(420),
    }]
}

fn held() -> Vec<Step> {
    let step = |hold: Hold| {
        let (wanted, kept) = match hold.held() {
            Held::Up => (10, 4),
            Held::Down => (2, 4),
            Held::Writing => return None,
        };
        Some(Step::Held {
            wanted: count(wanted),
            kept: count(kept),
            ends_after: hold.ends_after(DECIDED_AT),
            hold,
        })
    };
    holds().into_iter().filter_map(step).collect()
}

fn held_flapping() -> Vec<Step> {
    vec![Step::HeldFlapping {
        wanted: count(3),
        kept: count(6),
        reversals: 5,
        allowed: 4,
        ends_after: seconds(720),
    }]
}

fn restored() -> Vec<Step> {
    vec![Step::Restored {
        wanted: count(4),
        raised: count(10),
        by: "helm".into(),
    }]
}

fn restore_delayed() -> Vec<Step> {
    vec![Step::RestoreDelayed {
        wanted: count(4),
        count: count(10),
        by: "argocd-controller".into(),
        after: seconds(40),
    }]
}

fn held_clock() -> Vec<Step> {
    vec![Step::HeldClock {
        wanted: count(3),
        kept: count(6),
        back: seconds(5),
    }]
}

fn fell_back() -> Vec<Step> {
    let fell = |action, metric: Option<&str>| Step::FellBack {
        wanted: count(2),
        raised: count(4),
        action,
        unknown_for: seconds(180),
        metric: metric.map(MetricName::new),
    };
    vec![
        fell(FallbackAction::AtLeast(count(4)), None),
        fell(FallbackAction::AtLeast(count(4)), Some("request_rate")),
        fell(FallbackAction::Hold, None),
        fell(FallbackAction::LastKnown, None),
    ]
}

fn kept_after_fallback() -> Vec<Step> {
    vec![Step::KeptAfterFallback {
        wanted: count(3),
        kept: count(6),
        known_for: seconds(40),
        after: seconds(180),
    }]
}

fn activated() -> Vec<Step> {
    vec![Step::Activated {
        wanted: count(0),
        raised: count(1),
        metric: MetricName::new("queue_length"),
    }]
}

fn kept_from_zero() -> Vec<Step> {
    let kept = |idle_for| Step::KeptFromZero {
        wanted: count(0),
        kept: count(1),
        idle_for: seconds(idle_for),
        idle: seconds(300),
    };
    vec![kept(80), kept(0)]
}

fn bounded() -> Vec<Step> {
    let bounded = |wanted, bounded, (min, max), by| Step::Bounded {
        wanted: count(wanted),
        bounded: count(bounded),
        bounds: legal(ReplicaBounds::new(count(min), count(max))),
        by,
    };
    let night = || Some(BoundSource::Schedule(ScheduleName::new("night")));
    vec![
        bounded(10, 6, (2, 6), None),
        bounded(1, 2, (2, 6), None),
        bounded(10, 6, (2, 6), night()),
        bounded(1, 2, (2, 6), night()),
        bounded(10, 6, (6, 6), Some(BoundSource::Override(anna()))),
        bounded(1, 6, (6, 6), Some(BoundSource::Override(Operator::default()))),
    ]
}

fn forbidden() -> Vec<Step> {
    let forbidden = |(wanted, kept), hold: Option<Hold>| Step::Forbidden {
        wanted: count(wanted),
        kept: count(kept),
        ends_after: hold.as_ref().and_then(|hold| hold.ends_after(DECIDED_AT)),
        hold,
    };
    let writing = holds().into_iter().filter(|hold| hold.held() == Held::Writing);
    let changes = [(6, 4), (4, 4)].into_iter().cycle();
    let by_holds = writing
        .zip(changes)
        .map(|(hold, change)| forbidden(change, Some(hold)));
    let off = [(6, 0), (0, 0)].map(|change| forbidden(change, None));
    by_holds.chain(off).collect()
}
