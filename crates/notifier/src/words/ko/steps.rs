//! The sentence of each step of a decision, in Korean.

use std::time::Duration;

use headroom_policy_engine::{
    BoundSource, ChangeAmount, ChangeLimit, Direction, FallbackAction, Observation, Replicas, SelectorState,
    Stabilizing, Step,
};

use super::{holds, metrics, overriding, spoken};

/// What a step says.
pub(super) fn sentence(step: &Step) -> String {
    match step {
        Step::Recommended {
            metric,
            seen,
            terms,
            pending,
            proposal,
        } => metrics::recommended(metric, seen, terms, *pending, *proposal),
        Step::Combined {
            replicas,
            by: Some(metric),
        } => format!("권장 레플리카는 {replicas}개이며, {metric} 메트릭이 가장 많이 요청합니다."),
        Step::Combined { replicas, by: None } => {
            format!("레플리카 수를 요청하는 메트릭이 없어 {replicas}개를 유지합니다.")
        }
        Step::KeptForUnknown {
            wanted,
            kept,
            metric,
            seen,
        } => {
            let because = match seen {
                Observation::Fresh(_) | Observation::Partial(_) => {
                    format!("{metric} 메트릭이 일부만 측정되어")
                }
                Observation::Stale { age, .. } => {
                    format!("{metric} 메트릭의 마지막 값이 {} 전의 것이어서", spoken(*age))
                }
                Observation::Missing { cause } => {
                    format!("{metric} 메트릭을 알 수 없어({})", metrics::cause(*cause))
                }
            };
            format!("{wanted}개면 충분하지만, {because} {kept}개를 유지합니다.")
        }
        Step::KeptForGroup {
            wanted,
            kept,
            group,
            metric,
        } => format!(
            "{wanted}개면 충분하지만, {group} 그룹은 모든 메트릭이 줄이기를 요청해야 하는데 {metric} 메트릭이 그렇지 않아 \
             {kept}개를 유지합니다."
        ),
        Step::Stabilized {
            wanted,
            kept,
            direction,
            window,
            by,
        } => stabilized((*wanted, *kept), *direction, window.get(), by),
        Step::Limited {
            wanted,
            allowed,
            direction,
            limit,
            room_after,
        } => {
            let asked = asked(*wanted, *allowed);
            match limit {
                Some(limit) => {
                    let may = may_change(*limit, *direction);
                    let then = and_then(*direction, *room_after);
                    format!("{asked}, {may} 지금은 {allowed}개로 합니다.{then}")
                }
                None => {
                    let switched = match direction {
                        Direction::Up => "확장",
                        Direction::Down => "축소",
                    };
                    format!("{asked}, 정책에서 {switched} 기능을 꺼 두어 {allowed}개를 유지합니다.")
                }
            }
        }
        Step::LimitedAsHpa {
            wanted,
            allowed,
            direction,
            room_after,
        } => {
            let (asked, then) = (asked(*wanted, *allowed), and_then(*direction, *room_after));
            let limit = match direction {
                Direction::Up => "확장",
                Direction::Down => "축소",
            };
            format!("{asked}, HPA의 {limit} 제한에 따라 지금은 {allowed}개로 합니다.{then}")
        }
        Step::SelectorRefused { kept, selector } => {
            let because = match selector {
                SelectorState::Usable => "대상의 셀렉터를 사용할 수 없어",
                SelectorState::Missing => "대상에 셀렉터가 없어",
                SelectorState::Invalid => "대상의 셀렉터를 읽을 수 없어",
                SelectorState::Ambiguous => "대상의 셀렉터가 다른 오토스케일러와 겹쳐",
            };
            format!(
                "{because} 어느 파드가 대상의 것인지 알 수 없으므로, 메트릭을 보지 않고 {kept}개를 유지합니다."
            )
        }
        Step::HeldNotReady {
            wanted,
            kept,
            ready,
            starting_for,
        } => format!(
            "{wanted}개가 필요하지만, 준비된 레플리카는 {ready}개뿐이고 다른 레플리카가 {}째 시작 중이므로 준비될 때까지 \
             {kept}개를 넘기지 않습니다.",
            spoken(*starting_for)
        ),
        Step::Held {
            wanted,
            kept,
            hold,
            ends_after,
        } => {
            let (because, long) = (holds::because(hold), holds::for_how_long(hold, *ends_after));
            format!(
                "{}, {because} {long} {kept}개를 유지합니다.",
                asked(*wanted, *kept)
            )
        }
        Step::Restored { wanted, raised, by } => format!(
            "{by} 배포가 레플리카 수를 되돌렸으므로, {wanted}개 대신 배포 전의 {raised}개로 바로 복원합니다."
        ),
        Step::RestoreDelayed {
            wanted,
            count,
            by,
            after,
        } => format!(
            "{by} 배포가 {count}개였던 레플리카 수를 다시 되돌렸고 복원은 1분에 한 번까지만 하므로, {wanted}개를 유지하다가 {} \
             뒤 {count}개로 복원합니다.",
            spoken(*after)
        ),
        Step::HeldFlapping {
            wanted,
            kept,
            reversals,
            allowed,
            ends_after,
        } => format!(
            "{wanted}개면 충분하지만, 레플리카 수의 방향이 한 시간 안에 {reversals}번 바뀌었고 {allowed}번까지만 허용되므로 \
             앞으로 {} 동안 {kept}개를 유지합니다.",
            spoken(*ends_after)
        ),
        Step::HeldClock { wanted, kept, back } => format!(
            "{wanted}개면 충분하지만, 시계가 {} 뒤로 돌아가 경과 시간이 확실하지 않으므로 이번 평가에서는 {kept}개를 유지합니다.",
            spoken(*back)
        ),
        Step::FellBack {
            wanted,
            raised,
            action,
            unknown_for,
            metric,
        } => {
            let unknown = match metric {
                Some(metric) => format!("{metric} 메트릭을"),
                None => "부하를 전혀".to_owned(),
            };
            let does = match action {
                FallbackAction::AtLeast(_) => "폴백에서 요청하는",
                FallbackAction::Hold => "폴백에서 유지하는",
                FallbackAction::LastKnown => "마지막으로 알려진 권장값인",
            };
            let span = spoken(*unknown_for);
            format!("{span} 동안 {unknown} 알 수 없었으므로, {wanted}개 대신 {does} {raised}개로 합니다.")
        }
        Step::KeptAfterFallback {
            wanted,
            kept,
            known_for,
            after,
        } => format!(
            "{wanted}개면 충분하지만, 폴백 뒤에는 부하를 {} 동안 다시 알 수 있어야 하고 지금까지 {} 지났으므로 앞으로 {} 동안 \
             {kept}개를 유지합니다.",
            spoken(*after),
            spoken(*known_for),
            spoken(after.saturating_sub(*known_for))
        ),
        Step::Activated {
            wanted,
            raised,
            metric,
        } => {
            format!("{metric} 메트릭에 부하가 다시 나타나 {wanted}개 대신 바로 {raised}개로 합니다.")
        }
        Step::KeptFromZero {
            wanted,
            kept,
            idle_for,
            idle,
        } => {
            let left = spoken(idle.saturating_sub(*idle_for));
            let because = match *idle_for {
                Duration::ZERO => format!("부하가 없는 상태가 {} 이어져야 하므로", spoken(*idle)),
                _ => format!(
                    "부하가 없는 상태가 {} 중 {}만 이어졌으므로",
                    spoken(*idle),
                    spoken(*idle_for)
                ),
            };
            format!("{wanted}개면 충분하지만, {because} 적어도 {left} 더 {kept}개를 유지합니다.")
        }
        Step::Bounded {
            wanted,
            bounded,
            bounds,
            by,
        } => {
            let is_only_one = bounds.min() == bounds.max();
            let says = bound_says((*wanted, *bounded), by.as_ref(), is_only_one);
            format!("{}, {says}", asked(*wanted, *bounded))
        }
        Step::Forbidden {
            wanted,
            kept,
            hold,
            ends_after,
        } => {
            let otherwise = if wanted == kept {
                String::new()
            } else {
                format!("원래는 {wanted}개로 변경해야 하지만, ")
            };
            match hold {
                Some(hold) => {
                    let (because, long) = (holds::because(hold), holds::for_how_long(hold, *ends_after));
                    format!("{otherwise}{because} {long} {kept}개를 유지합니다.")
                }
                None => format!(
                    "{otherwise}누군가 레플리카 수를 {kept}개로 설정하여 스케일링이 꺼졌으므로, 다른 값을 설정할 때까지 \
                     {kept}개를 유지합니다."
                ),
            }
        }
    }
}

fn stabilized(
    (wanted, kept): (Replicas, Replicas),
    direction: Direction,
    window: Duration,
    by: &Stabilizing,
) -> String {
    let (asked, span) = (asked(wanted, kept), spoken(window));
    let at_least = |left: Duration| format!("적어도 {} 더 {kept}개를 유지합니다.", spoken(left));
    match by {
        Stabilizing::Recommendations { easing } => {
            let (were, keeps) = match direction {
                Direction::Up => ("이하로 충분했던", "까지만 늘립니다"),
                Direction::Down => ("이상이 필요했던", "를 유지합니다"),
            };
            let mut said =
                format!("{asked}, 지난 {span} 안에 {kept}개 {were} 때가 있어 지금은 {kept}개{keeps}.");
            // The next count and the last one say enough.
            let last = easing.last().filter(|_| easing.len() > 1);
            let levels: Vec<String> = easing
                .first()
                .into_iter()
                .chain(last)
                .map(|level| format!("{} 뒤 {}개", spoken(level.after), level.replicas))
                .collect();
            if !levels.is_empty() {
                let levels = levels.join(", ");
                said.push_str(&format!(" 부하가 그대로면 {levels}로 변경합니다."));
            }
            said
        }
        Stabilizing::Gaps { known, needed } if known >= needed => {
            format!("{asked}, 이전 기록이 없어 이번 평가에서는 {kept}개를 유지합니다.")
        }
        Stabilizing::Gaps { known, needed } => {
            // In whole seconds, and rather too late than too early.
            let known = Duration::from_secs(known.as_secs());
            let left = at_least(needed.saturating_sub(known));
            let (known, needed) = (spoken(known), spoken(*needed));
            format!("{asked}, 지난 {span} 가운데 {known}만 알려져 있고 {needed}만큼 필요하므로 {left}")
        }
        Stabilizing::Raised { ago } => {
            let left = at_least(window.saturating_sub(*ago));
            let ago = spoken(*ago);
            format!("{asked}, {ago} 전에 레플리카를 늘렸고 그 뒤 {span} 동안은 줄이지 않으므로 {left}")
        }
        Stabilizing::Undone { ago } => {
            let left = at_least(window.saturating_sub(*ago));
            let ago = spoken(*ago);
            format!(
                "{asked}, {ago} 전에 줄인 것을 다른 주체가 다시 늘렸고 그 뒤 {span} 동안은 다시 줄이지 않으므로 {left}"
            )
        }
    }
}

fn bound_says(
    (wanted, replicas): (Replicas, Replicas),
    by: Option<&BoundSource>,
    is_only_one: bool,
) -> String {
    let is_maximum = wanted > replicas;
    let according_to = |by: &BoundSource| match by {
        BoundSource::Schedule(name) => format!("스케줄 `{name}`에 따라"),
        BoundSource::Override(operator) => format!("{} 때문에", overriding(operator)),
    };
    match by {
        None if is_maximum => format!("최대값이 {replicas}개입니다."),
        None => format!("최소값이 {replicas}개입니다."),
        Some(by) if is_maximum && is_only_one => format!("{} {replicas}개를 유지합니다.", according_to(by)),
        Some(by) if is_maximum => format!("{} 최대 {replicas}개까지 허용됩니다.", according_to(by)),
        Some(by) => format!("{} 최소 {replicas}개가 필요합니다.", according_to(by)),
    }
}

/// What a limit says of one direction, as the clause before what it allows.
fn may_change(limit: ChangeLimit, direction: Direction) -> String {
    let period = spoken(limit.period());
    let may = match direction {
        Direction::Up => "늘릴 수 있어",
        Direction::Down => "줄일 수 있어",
    };
    match limit.amount() {
        ChangeAmount::Replicas(replicas) => format!("{period} 안에 최대 {replicas}개까지만 {may}"),
        ChangeAmount::Percent(percent) => format!("{period} 안에 최대 {percent}%까지만 {may}"),
    }
}

/// What a limit allows next.
fn and_then(direction: Direction, after: Option<Duration>) -> String {
    let further = match direction {
        Direction::Up => "더 늘릴 수 있습니다.",
        Direction::Down => "더 줄일 수 있습니다.",
    };
    match after {
        Some(after) => format!(" {} {further}", super::when(after)),
        None => String::new(),
    }
}

/// What was asked for, against what is left of it.
fn asked(wanted: Replicas, left: Replicas) -> String {
    if wanted > left {
        format!("{wanted}개가 필요하지만")
    } else {
        format!("{wanted}개면 충분하지만")
    }
}
