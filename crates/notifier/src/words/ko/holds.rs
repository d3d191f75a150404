//! Holds and conditions in Korean.

use std::time::Duration;

use headroom_policy_engine::{Hold, HoldSource, RaisedCondition, WhyUnknown};

use super::{metrics::cause, overriding, spoken};

/// Why a hold keeps the count, as the clause before what it keeps.
pub(super) fn because(hold: &Hold) -> String {
    match hold {
        Hold::Paused { .. } => "스케일링이 일시 중지되어".to_owned(),
        Hold::SecondScaler { name, .. } => {
            format!("{name} 오토스케일러도 이 대상을 스케일링하여 서로 충돌하므로")
        }
        Hold::SecondHeadroom { by } => {
            format!("다른 headroom({by})이 그 뒤에 레플리카 수를 설정하여 서로 충돌하므로")
        }
        Hold::RequestsSet { by, resources, mode } => format!(
            "{by} 항목이 레플리카 수의 기준이 되는 {resources} 요청량을 설정하여(updateMode {mode}) 서로 쫓게 되므로"
        ),
        Hold::BeingDeleted => "대상이 삭제되는 중이어서".to_owned(),
        Hold::FailingToStart { failing } => {
            format!("레플리카 {failing}개가 시작되지 못하거나 계속 종료되어")
        }
        Hold::ScaleDownHeld { by, .. } => match by {
            HoldSource::Override(operator) => format!("{} 때문에 축소가 금지되어", overriding(operator)),
            HoldSource::Query(query) => format!("쿼리 `{query}`에 값이 있어 축소가 금지되므로"),
            HoldSource::UnknownQuery { query, why } => {
                let why = why_unknown(*why);
                format!("쿼리 `{query}`에 값이 있는지 알 수 없어({why}) 축소가 금지되므로")
            }
        },
        Hold::RollingOut { .. } => "롤아웃이 진행 중이어서".to_owned(),
        Hold::Contested { by: Some(by), .. } => format!("{by} 측에서 레플리카 수를 계속 바꾸고 있어"),
        Hold::Contested { by: None, .. } => "다른 주체가 레플리카 수를 계속 바꾸고 있어".to_owned(),
        Hold::FleetBrake { .. } => "전체 워크로드가 한꺼번에 너무 많이 축소되려 하여".to_owned(),
    }
}

/// For how long a hold keeps the count.
pub(super) fn for_how_long(hold: &Hold, after: Option<Duration>) -> String {
    match (hold, after) {
        (Hold::RollingOut { .. }, Some(left)) => format!("끝날 때까지(최대 {})", spoken(left)),
        (Hold::Contested { .. }, Some(left)) => {
            format!("레플리카 수를 아무도 바꾸지 않으면 앞으로 {} 동안", spoken(left))
        }
        (_, Some(left)) => format!("앞으로 {} 동안", spoken(left)),
        (Hold::RollingOut { .. }, None) => "끝날 때까지".to_owned(),
        (Hold::Paused { .. }, None) => "누군가 재개할 때까지".to_owned(),
        (Hold::SecondScaler { .. }, None) => {
            "하나만 남을 때까지(하나를 삭제하거나 mode = \"shadow\" 설정으로 비교하십시오)".to_owned()
        }
        (Hold::SecondHeadroom { .. }, None) => {
            "누군가 레플리카 수를 설정할 때까지(둘 중 하나의 정책에서 이 워크로드를 빼거나 mode = \"shadow\" 설정으로 바꾼 다음, 레플리카 수를 \
             다른 값으로 한 번 직접 설정하십시오)"
                .to_owned()
        }
        (Hold::RequestsSet { .. }, None) => {
            "그 요청량을 설정하지 않을 때까지(updatePolicy.updateMode 값을 \"Off\"로 하거나 containerPolicies의 controlledResources에서 그 \
             리소스를 빼십시오)"
                .to_owned()
        }
        (Hold::BeingDeleted, None) => "삭제가 끝날 때까지".to_owned(),
        (Hold::ScaleDownHeld { by, .. }, None) => match by {
            HoldSource::Override(_) => "그것이 끝날 때까지",
            HoldSource::Query(_) => "값이 없어질 때까지",
            HoldSource::UnknownQuery { .. } => "알 수 있을 때까지",
        }
        .to_owned(),
        (Hold::FailingToStart { .. } | Hold::Contested { .. } | Hold::FleetBrake { .. }, None) => {
            "그 상태가 끝날 때까지".to_owned()
        }
    }
}

fn why_unknown(why: WhyUnknown) -> String {
    match why {
        WhyUnknown::Missing { cause: missing } => cause(missing),
        WhyUnknown::Stale { age } => format!("마지막 샘플이 {} 전의 것임", spoken(age)),
        WhyUnknown::Partial => "일부만 측정됨".to_owned(),
    }
}

/// What is wrong, as a headline.
pub(super) fn headline(condition: &RaisedCondition) -> String {
    match condition {
        RaisedCondition::NotBecomingReady { .. } => "레플리카가 준비 상태가 되지 않음".to_owned(),
        RaisedCondition::FailingToStart { failing } => {
            format!("레플리카 {failing}개가 시작되지 못하거나 계속 종료됨")
        }
        RaisedCondition::Flapping { .. } => "레플리카 수가 너무 자주 오르내림".to_owned(),
        RaisedCondition::SecondScaler { name } => format!("{name} 오토스케일러도 함께 스케일링 중"),
        RaisedCondition::SecondHeadroom { by } => format!("다른 headroom({by})도 함께 스케일링 중"),
        RaisedCondition::RequestsSet { by, resources, .. } => format!("{by}: {resources} 요청량을 설정함"),
        RaisedCondition::Contested { by: Some(by) } => format!("{by} 측에서 레플리카 수를 계속 바꿈"),
        RaisedCondition::Contested { by: None } => "다른 주체가 레플리카 수를 계속 바꿈".to_owned(),
        RaisedCondition::CountReset { by } => format!("{by} 배포가 레플리카 수를 되돌림"),
        RaisedCondition::FleetBrake => "전체 워크로드가 한꺼번에 너무 많이 축소되려 함".to_owned(),
        RaisedCondition::ReplicasNotStarting { replicas, .. } => {
            format!("레플리카 {replicas}개가 올라오지 않음")
        }
        RaisedCondition::ReplicasRefused { .. } => "레플리카를 더 만들 수 없음".to_owned(),
        RaisedCondition::RequestsRecommended { by, resources } => {
            format!("{by}: {resources} 요청량 추천만 함")
        }
        RaisedCondition::GuardOff { guard, .. } => format!("보호 장치 꺼짐: {guard}"),
    }
}

/// What is known of it beyond the headline; `None` where that says all.
pub(super) fn sentence(condition: &RaisedCondition) -> Option<String> {
    Some(match condition {
        RaisedCondition::NotBecomingReady { ready, starting_for } => {
            let starting_for = spoken(*starting_for);
            format!("준비된 레플리카는 {ready}개이고, 다른 레플리카가 {starting_for}째 시작 중입니다.")
        }
        RaisedCondition::Flapping { reversals, allowed } => {
            format!("레플리카 수의 방향이 한 시간 안에 {reversals}번 바뀌었고, {allowed}번까지만 허용됩니다.")
        }
        RaisedCondition::SecondScaler { name } => {
            format!("{name} 오토스케일러도 이 대상을 스케일링하고 있어 서로 충돌합니다.")
        }
        RaisedCondition::SecondHeadroom { by } => format!(
            "다른 headroom({by})이 그 뒤에 레플리카 수를 설정하여 서로 충돌합니다. 둘 중 하나의 정책에서 이 워크로드를 빼거나 mode = \
             \"shadow\" 설정으로 바꾼 다음, 레플리카 수를 다른 값으로 한 번 직접 설정하십시오."
        ),
        RaisedCondition::RequestsSet { by, resources, mode } => format!(
            "{by} 항목이 레플리카 수의 기준이 되는 {resources} 요청량을 설정하여(updateMode {mode}) 서로 쫓게 됩니다. \
             updatePolicy.updateMode 값을 \"Off\"로 하거나 containerPolicies의 controlledResources에서 그 리소스를 빼십시오."
        ),
        RaisedCondition::CountReset { by } => format!(
            "{by} 배포가 레플리카 수를 되돌렸고 앞으로도 그럴 것입니다. 배포하는 내용에서 spec.replicas 항목을 빼십시오(Argo \
             CD에서는 ignoreDifferences에 /spec/replicas 경로도 추가하십시오)."
        ),
        RaisedCondition::FailingToStart { .. }
        | RaisedCondition::Contested { .. }
        | RaisedCondition::FleetBrake => return None,
        RaisedCondition::ReplicasNotStarting { replicas, because } => {
            format!("레플리카 {replicas}개가 올라오지 않습니다: {because}")
        }
        RaisedCondition::ReplicasRefused { because } => {
            format!("레플리카를 더 만들 수 없습니다: {because}")
        }
        RaisedCondition::RequestsRecommended { by, resources } => format!(
            "{by} 항목이 {resources} 요청량을 추천하지만 설정하지는 않습니다. 설정하게 되면 레플리카 수를 변경하지 않습니다."
        ),
        RaisedCondition::GuardOff { guard, because } => {
            format!("다음 보호 장치가 꺼져 있습니다: {guard}({because})")
        }
    })
}

/// What happens for as long as it lasts.
pub(super) const fn meanwhile(condition: &RaisedCondition) -> &'static str {
    match condition {
        RaisedCondition::NotBecomingReady { .. } => {
            "준비될 때까지 준비된 레플리카가 요청하는 것보다 더 늘리지 않습니다."
        }
        RaisedCondition::FailingToStart { .. } => "레플리카가 시작되어 계속 실행될 때까지 늘리지 않습니다.",
        RaisedCondition::Flapping { .. } => "증감이 잦아들 때까지 줄이지 않습니다.",
        RaisedCondition::SecondScaler { .. } => "둘 중 하나만 남을 때까지 변경하지 않습니다.",
        RaisedCondition::SecondHeadroom { .. } => "누군가 레플리카 수를 설정할 때까지 변경하지 않습니다.",
        RaisedCondition::RequestsSet { .. } => "그 요청량을 설정하지 않을 때까지 변경하지 않습니다.",
        RaisedCondition::Contested { .. } => "레플리카 수를 아무도 바꾸지 않을 때까지 줄이지 않습니다.",
        RaisedCondition::CountReset { .. } => {
            "배포 전의 레플리카 수로 복원하며, 1분에 한 번까지만 복원합니다."
        }
        RaisedCondition::FleetBrake => "전체 축소 제동이 풀릴 때까지 줄이지 않습니다.",
        RaisedCondition::ReplicasNotStarting { .. } | RaisedCondition::ReplicasRefused { .. } => {
            "결정은 그대로 계속되며, 늘린 레플리카가 올라오지 않을 수 있습니다."
        }
        RaisedCondition::RequestsRecommended { .. } => "요청량이 바뀌지 않는 한 스케일링을 계속합니다.",
        RaisedCondition::GuardOff { .. } => "이 보호 장치 없이 스케일링을 계속합니다.",
    }
}
