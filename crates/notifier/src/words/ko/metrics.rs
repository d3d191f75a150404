//! What is known of metrics, and what they ask for, in Korean.

use headroom_policy_engine::{
    Arithmetic, Compared, MetricName, MetricRule, MissingCause, Number, Observation, Pending, Proposal,
    StepRule, Terms, Votes, Watermarks, hpa::MetricError,
};

use super::spoken;

/// The sentence of one metric: its value, what it is compared with, and what it asks for.
pub(super) fn recommended(
    metric: &MetricName,
    seen: &Observation,
    terms: &Terms,
    pending: Option<Pending>,
    proposal: Proposal,
) -> String {
    let asks = asks(seen, terms, pending, proposal);
    match seen {
        Observation::Missing { cause: missing } => {
            let why = cause(*missing);
            match (missing, proposal) {
                (_, Proposal::Blocks | Proposal::Ignored) => {
                    format!("{metric} 메트릭을 알 수 없어({why}) {asks}.")
                }
                (MissingCause::NoReplicas, _) => {
                    format!("{metric} 메트릭은 레플리카에서 읽는데 지금은 레플리카가 없으므로 {asks}.")
                }
                (MissingCause::NotANumber, _) => {
                    format!("{metric} 메트릭의 값은 요청이 없을 때의 분위수처럼 숫자가 아니므로 {asks}.")
                }
                _ => format!("{metric} 메트릭을 알 수 없어({why}) 0으로 간주하고 {asks}."),
            }
        }
        Observation::Stale { sample, age } => {
            let (value, age) = (quantity(terms, sample.value), spoken(*age));
            format!(
                "{metric} 메트릭의 값은 {age} 전의 {value}뿐이고, 기준으로 삼기에는 너무 오래되어 {asks}."
            )
        }
        Observation::Fresh(sample) => {
            format!("{metric} 메트릭의 값은 {} {asks}.", compared(terms, sample.value))
        }
        Observation::Partial(sample) => {
            let compared = compared(terms, sample.value);
            format!(
                "{metric} 메트릭은 일부만 측정되어 그동안 줄이지 않습니다. 측정된 값은 {compared} {asks}."
            )
        }
    }
}

/// What is known of a metric.
pub(super) fn seen(seen: &Observation) -> String {
    match seen {
        Observation::Fresh(sample) => format!("측정값은 {}입니다", Number(sample.value)),
        Observation::Partial(sample) => {
            format!("일부만 측정되었고 그 값은 {}입니다", Number(sample.value))
        }
        Observation::Stale { sample, age } => {
            let (value, age) = (Number(sample.value), spoken(*age));
            format!("{age} 전의 값({value})뿐이며, 기준으로 삼기에는 너무 오래되었습니다")
        }
        Observation::Missing { cause: missing } => format!("알 수 없습니다({})", cause(*missing)),
    }
}

/// Why a value is not known.
pub(super) fn cause(cause: MissingCause) -> String {
    let said = match cause {
        MissingCause::NotAsked => "조회하지 않음",
        MissingCause::NoData => "일치하는 시계열 없음",
        MissingCause::Ambiguous { series } => {
            return format!("하나가 아니라 시계열 {series}개가 일치함");
        }
        MissingCause::WrongType => "응답이 숫자 하나가 아님",
        MissingCause::NotANumber => "값이 숫자가 아님",
        MissingCause::Infinite => "값이 무한대임",
        MissingCause::Negative => "값이 음수임",
        MissingCause::TimedOut => "제시간에 응답이 없음",
        MissingCause::Unreachable => "소스에 연결할 수 없음",
        MissingCause::Rejected { status } => return format!("소스의 응답 코드 {status}"),
        MissingCause::Malformed => "응답을 읽을 수 없음",
        MissingCause::TooLarge => "응답이 너무 큼",
        MissingCause::ClockSkew => "소스의 시계가 맞지 않음",
        MissingCause::NoRateYet => "비율을 구하려면 두 번째 값이 필요함",
        MissingCause::NoReplicas => "응답한 레플리카가 없음",
        MissingCause::Unusable { why } => unusable(why),
    };
    said.to_owned()
}

const fn unusable(why: MetricError) -> &'static str {
    match why {
        MetricError::Source => "소스 오류",
        MetricError::NoMetrics => "소스에 샘플이 없음",
        MetricError::NoPods => "셀렉터와 일치하는 파드가 없음",
        MetricError::NoMetricsForTargetedPods => "사용할 수 있는 샘플이 있는 파드가 아직 없음",
        MetricError::NoMetricsMatchKnownPods => "샘플이 다른 파드의 것이거나 파드에 리소스 요청이 없음",
        MetricError::MissingRequest => "리소스 요청이 없는 컨테이너가 있음",
        MetricError::ContainerNotFound => "해당 이름의 컨테이너가 없는 파드가 있음",
        MetricError::UnknownKind => "HPA에 없는 메트릭 종류",
        MetricError::WrongTarget => "이 종류의 메트릭에 대해 HPA에 없는 목표",
    }
}

/// A value in the unit of its metric, percentages without a space.
fn quantity(terms: &Terms, value: f64) -> String {
    terms.quantity(value).to_string().replace(" %", "%")
}

/// A value, and how it stands to what it is compared with: the clause before what it asks for.
fn compared(terms: &Terms, value: f64) -> String {
    let shown = quantity(terms, value);
    match (terms.rule, terms.arithmetic) {
        (MetricRule::Utilization(target), Arithmetic::EachPod) => {
            let against = against(terms, value, target.get());
            format!("파드가 요청한 양의 {shown}이며 {against}")
        }
        (MetricRule::Utilization(target), Arithmetic::Headroom | Arithmetic::Hpa { .. }) => {
            format!("{shown}이며 {}", against(terms, value, target.get()))
        }
        (MetricRule::Value(target), _) => format!("{shown}이며 {}", against(terms, value, target.get())),
        (MetricRule::PerReplica(target), Arithmetic::EachPod) => {
            format!("레플리카당 {shown}이며 {}", against(terms, value, target.get()))
        }
        (MetricRule::PerReplica(target), Arithmetic::Headroom | Arithmetic::Hpa { .. }) => {
            format!(
                "{shown}이며 레플리카당 목표 {}에 따라",
                quantity(terms, target.get())
            )
        }
        (MetricRule::Watermarks(marks), _) => match marks.compared() {
            Compared::Value => format!("{shown}이며 {}", between_marks(marks, value)),
            Compared::PerReplica => {
                let share = value / f64::from(terms.current.get().max(1));
                let marks = between_marks(marks, share);
                format!("{shown}, 레플리카당 {}이며 {marks}", Number(share))
            }
        },
        (MetricRule::Step(rule), _) => format!("{shown}이며 {}", between_thresholds(&rule, value)),
    }
}

fn against(terms: &Terms, value: f64, target: f64) -> String {
    let shown = quantity(terms, target);
    if terms.tolerance.contains(value / target) {
        format!("목표 {shown}에 가까워")
    } else if value > target {
        format!("목표 {shown}보다 높아")
    } else {
        format!("목표 {shown}보다 낮아")
    }
}

fn between_thresholds(rule: &StepRule, value: f64) -> String {
    let [above, below] = [rule.above(), rule.below()].map(|breach| breach.map(|breach| breach.threshold));
    match (above, below) {
        (Some(above), _) if value > above => format!("기준 {}보다 높아", Number(above)),
        (_, Some(below)) if value < below => format!("기준 {}보다 낮아", Number(below)),
        (Some(above), Some(below)) => format!("기준 {}~{} 사이에 있어", Number(below), Number(above)),
        (Some(above), None) => format!("기준 {} 이하여서", Number(above)),
        (None, Some(below)) => format!("기준 {} 이상이어서", Number(below)),
        // No step rule is without thresholds.
        (None, None) => "비교할 기준이 없어".to_owned(),
    }
}

fn between_marks(marks: Watermarks, value: f64) -> String {
    let (low, high) = (marks.low().get(), marks.high().get());
    if value > high {
        format!("상한 {}보다 높아", Number(high))
    } else if value < low {
        format!("하한 {}보다 낮아", Number(low))
    } else {
        format!("하한 {}~상한 {} 사이에 있어", Number(low), Number(high))
    }
}

/// What a metric asks for, as the end of its sentence.
fn asks(seen: &Observation, terms: &Terms, pending: Option<Pending>, proposal: Proposal) -> String {
    match (pending, proposal) {
        (Some(Pending { replicas, after }), _) if after.is_zero() => {
            format!("값이 그대로면 다음 샘플에서 {replicas}개를 요청합니다")
        }
        (Some(Pending { replicas, after }), _) => {
            format!("값이 그대로면 {} 뒤 {replicas}개를 요청합니다", spoken(after))
        }
        (None, Proposal::Replicas(replicas)) if replicas == terms.current => {
            "변경을 요청하지 않습니다".to_owned()
        }
        (None, Proposal::Replicas(replicas)) => format!("{replicas}개를 요청합니다"),
        (None, Proposal::NoVote) => match (seen, terms.votes) {
            (Observation::Partial(_), _) => "더 요청하지 않습니다".to_owned(),
            (Observation::Fresh(_), Votes::UpOnly) => {
                "요청하지 않습니다(늘리기만 요청할 수 있는 메트릭입니다)".to_owned()
            }
            (Observation::Fresh(_) | Observation::Stale { .. } | Observation::Missing { .. }, _) => {
                "아무것도 요청하지 않습니다".to_owned()
            }
        },
        (None, Proposal::Ignored) => "무시합니다".to_owned(),
        (None, Proposal::Blocks) => "줄이지 않습니다".to_owned(),
    }
}
