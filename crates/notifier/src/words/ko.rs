//! The words in Korean, all of them its own: titles as headlines, sentences in the formal style.
//!
//! Behind names and numbers stand only particles that are the same after every sound, so that nothing has to be guessed
//! of how a name is read.

mod holds;
mod metrics;
mod steps;

use std::time::Duration;

use headroom_policy_engine::{
    Direction, Hold, MetricName, Number, Operator, RaisedCondition, Replicas, Step,
};
use jiff::Zoned;

use super::{
    Clock, Group, Label, Mark, Words,
    digest::{self, in_hours},
    group::Workloads,
    next::Next,
    time,
};
use crate::{Change, Digest, Event, Failure, Notice, Stage, Unknown, UnknownMetric, WorkloadDigest};

/// Korean.
pub(super) struct Korean;

impl Words for Korean {
    fn mark(&self, mark: Mark) -> &'static str {
        match mark {
            Mark::Info => "정보",
            Mark::Warning => "경고",
            Mark::Critical => "심각",
            Mark::Resolved => "해결됨",
        }
    }

    fn and_others(&self, also: u32) -> String {
        format!(" 외 {also}개")
    }

    fn label(&self, label: Label) -> &'static str {
        match label {
            Label::Why => "이유",
            Label::Next => "다음",
            Label::Command => "자세히",
            Label::At => "시각",
            Label::Cluster => "클러스터",
            Label::Workload => "워크로드",
            Label::Replicas => "레플리카",
            Label::Needed => "필요",
            Label::Maximum => "최대",
            Label::Minimum => "최소",
            Label::Measured => "측정값",
            Label::Threshold => "기준값",
            Label::Since => "시작",
            Label::Lasted => "지속 시간",
            Label::Until => "종료 예정",
            Label::By => "작업자",
            Label::TheirReason => "남긴 이유",
            Label::Runbook => "런북",
            Label::Dashboard => "대시보드",
        }
    }

    fn test(&self) -> &'static str {
        "[테스트] "
    }

    fn what(&self, notice: &Notice, clock: &Clock<'_>) -> String {
        let is_closed = matches!(notice.stage, Stage::Closed { .. });
        match &notice.event {
            Event::Scaled { from, to, .. } => format!("레플리카 {from}개 → {to}개"),
            Event::AtMax { max, .. } if is_closed => format!("최대 레플리카 {max}개에 도달"),
            Event::AtMax { max, wanted, .. } => {
                format!("최대 레플리카 {max}개에 도달, 부하에는 {wanted}개 필요")
            }
            Event::AtMin { min, .. } if is_closed => format!("최소 레플리카 {min}개에 도달"),
            Event::AtMin { min, wanted, .. } => {
                format!("최소 레플리카 {min}개에 도달, 부하에는 {wanted}개면 충분")
            }
            Event::Fallback { replicas, .. } => {
                format!("부하를 알 수 없어 폴백으로 레플리카 {replicas}개 유지")
            }
            Event::Recovered { from } => {
                let known = match from {
                    Unknown::Fallback => "부하를 다시 알 수 있음",
                    Unknown::Blind => "모든 메트릭을 다시 알 수 있음",
                };
                self.after(known, notice.stage)
            }
            Event::Held { condition } | Event::ResetBy { condition } => holds::headline(condition),
            Event::Blind { metrics } => match metrics.as_slice() {
                [one] => format!("{} 메트릭을 온전히 알 수 없음", one.name),
                several => format!("메트릭 {}개를 온전히 알 수 없음", several.len()),
            },
            Event::Error { failure } => failed(failure),
            Event::Paused { operator, until } => {
                let paused = match &operator.by {
                    Some(by) => format!("{} 님이 일시 중지함", super::name(by)),
                    None => "일시 중지됨".to_owned(),
                };
                match until {
                    Some(until) => format!("{paused}({}까지)", clock.short(*until)),
                    None => paused,
                }
            }
            Event::Resumed => self.after("재개됨", notice.stage),
            Event::Overridden {
                operator,
                min,
                max,
                holds_scale_down,
                until: _,
            } => {
                let whose = match &operator.by {
                    Some(by) => format!("{} 님의 오버라이드", super::name(by)),
                    None => "오버라이드".to_owned(),
                };
                format!("{whose}: {}", overridden(*min, *max, *holds_scale_down))
            }
            Event::PolicyChanged { changes } => match changes.as_slice() {
                [one] => format!("정책 변경: {}", self.changed(one)),
                several => format!("정책 {}곳 변경", several.len()),
            },
            Event::Threshold {
                metric,
                above,
                is_ratio,
                lasting,
                value: _,
            } => {
                let (above, lasting) = (self.measured(*above, *is_ratio), self.span(*lasting));
                format!("{metric} 메트릭이 {lasting} 동안 {above} 초과")
            }
            Event::Digest(digest) => summary(digest, clock),
        }
    }

    fn ended(&self, event: &Event, after: Duration) -> String {
        let ended = if matches!(event, Event::Overridden { .. }) {
            "종료됨"
        } else {
            "해결됨"
        };
        format!("{} 만에 {ended}", self.span(after))
    }

    fn step(&self, step: &Step) -> String {
        steps::sentence(step)
    }

    fn condition(&self, condition: &RaisedCondition) -> Option<String> {
        holds::sentence(condition)
    }

    fn unknown(&self, metric: &UnknownMetric) -> String {
        let seen = metrics::seen(&metric.seen);
        match super::error_beyond(metric) {
            Some(error) => format!("{} 메트릭: {seen}. 소스에서 알린 내용: {error}.", metric.name),
            None => format!("{} 메트릭: {seen}.", metric.name),
        }
    }

    fn above(&self, metric: &MetricName, measured: &str, above: &str, lasting: &str) -> String {
        format!("{metric} 메트릭의 값은 {measured}이며, {lasting} 동안 {above}보다 높았습니다.")
    }

    fn together(&self, said: &[String]) -> String {
        said.join(" ")
    }

    fn next(&self, next: &Next<'_>, clock: &Clock<'_>) -> String {
        match next {
            Next::Towards { replicas, after } => {
                let when = when(*after);
                format!("부하가 그대로면 {when} {replicas}개를 향해 더 변경할 수 있습니다.")
            }
            Next::To { replicas, after } => {
                format!("부하가 그대로면 {} {replicas}개가 될 수 있습니다.", when(*after))
            }
            Next::NotBefore { replicas, after } => {
                format!(
                    "부하가 그대로면 빨라도 {} {replicas}개가 될 수 있습니다.",
                    when(*after)
                )
            }
            Next::Restored { replicas, after } => {
                format!("{} 레플리카 {replicas}개로 복원합니다.", when(*after))
            }
            Next::Asks {
                metric,
                replicas,
                after,
            } => {
                let when = if after.is_zero() {
                    "다음 샘플에서".to_owned()
                } else {
                    when(*after)
                };
                format!("값이 그대로면 {metric} 메트릭이 {when} {replicas}개를 요청합니다.")
            }
            Next::Over { hold, after } => over(hold, *after),
            Next::Off => "누군가 0이 아닌 레플리카 수를 설정할 때까지 스케일링이 꺼져 있습니다.".to_owned(),
            Next::InNextPass => "다음 평가에서 변경될 수 있습니다.".to_owned(),
            Next::Ready => "시작 중인 레플리카가 준비되면 더 늘릴 수 있습니다.".to_owned(),
            Next::Known { metric } => {
                format!("{metric} 메트릭을 다시 온전히 알 수 있으면 줄일 수 있습니다.")
            }
            Next::AsksForLess { metric } => {
                format!("{metric} 메트릭도 더 적은 수를 요청하면 줄일 수 있습니다.")
            }
            Next::Selector => "대상에 읽을 수 있는 고유한 셀렉터가 있으면 메트릭을 다시 봅니다.".to_owned(),
            Next::Recovers => "부하가 충분히 오래 다시 알려지면 부하에 따라 결정합니다.".to_owned(),
            Next::SwitchedOff { direction } => match direction {
                Direction::Up => "확장을 켤 때까지 늘리지 않습니다.".to_owned(),
                Direction::Down => "축소를 켤 때까지 줄이지 않습니다.".to_owned(),
            },
            Next::Maximum => "최대값을 올리지 않으면 더 늘리지 않습니다.".to_owned(),
            Next::Minimum => "최소값을 내리지 않으면 더 줄이지 않습니다.".to_owned(),
            Next::While { condition } => holds::meanwhile(condition).to_owned(),
            Next::Blind => "모든 메트릭을 알 수 있을 때까지 알려진 메트릭만으로 결정합니다.".to_owned(),
            Next::After { failure } => match failure {
                Failure::Unreadable { .. } => "대상을 읽을 수 있을 때까지 결정하지 않습니다.".to_owned(),
                Failure::NotWritten { .. } => "부하가 그대로면 다음 평가에서 다시 시도합니다.".to_owned(),
                Failure::NotConfirmed { .. } => {
                    "대상을 읽을 수 있는 다음 평가에서 확인하고, 그때의 레플리카 수를 기준으로 계속합니다."
                        .to_owned()
                }
                Failure::Pass { .. } => "다음 평가에서 다시 시도합니다.".to_owned(),
                Failure::Channel { .. } => "받지 못한 알림은 다시 보냅니다.".to_owned(),
            },
            Next::Ends { at } => format!("{}에 자동으로 끝납니다.", clock.short(*at)),
            Next::Resume { workload } => {
                format!("누군가 재개할 때까지 계속됩니다: headroom resume {workload}")
            }
            Next::Cancel { workload } => {
                format!("누군가 끝낼 때까지 계속됩니다: headroom override {workload} --clear")
            }
        }
    }

    fn changed(&self, change: &Change) -> String {
        let key = &change.key;
        match (&change.before, &change.after) {
            (Some(before), Some(after)) => format!("{key}: {before} → {after}"),
            (None, Some(after)) => format!("{key}: {after}(추가됨)"),
            (Some(before), None) => format!("{key}: {before}(삭제됨)"),
            (None, None) => key.to_string(),
        }
    }

    fn of_workload(&self, of: &WorkloadDigest, clock: &Clock<'_>) -> String {
        let mut said = vec![format!("변경 {}회", of.changes)];
        if let Some(counts) = &of.counts {
            said.push(format!("최대 {}개({})", counts.most, clock.short(counts.most_at)));
        }
        if !of.at_max.is_zero() {
            said.push(format!("최대값에 {} 머무름", self.span(of.at_max)));
        }
        if !of.blind.is_zero() {
            said.push(format!("메트릭 알 수 없음 {}", self.span(of.blind)));
        }
        if !of.unreadable.is_zero() {
            said.push(format!("대상을 읽을 수 없음 {}", self.span(of.unreadable)));
        }
        if of.errors > 0 {
            said.push(format!("실패 {}회", of.errors));
        }
        if let Some(counts) = &of.counts {
            said.push(compared((counts.replica_hours, counts.fixed_hours)));
        }
        format!("{}: {}", super::name(of.workload.as_str()), said.join(", "))
    }

    fn span(&self, span: Duration) -> String {
        spoken(span)
    }

    fn measured(&self, value: f64, is_ratio: bool) -> String {
        if is_ratio {
            format!("{}%", Number(value * 100.0))
        } else {
            Number(value).to_string()
        }
    }

    fn moment(&self, at: &Zoned) -> String {
        at.strftime("%Y년 %-m월 %-d일 %H:%M:%S %Z").to_string()
    }

    fn day_and_time(&self, at: &Zoned) -> String {
        format!("{} {}", at.strftime("%-m월 %-d일"), time(at))
    }

    fn group(&self, group: &Group<'_>, clock: &Clock<'_>) -> String {
        match group {
            Group::Changes {
                from,
                to,
                changes,
                since,
            } => {
                let since = clock.short(*since);
                format!("레플리카 {from}개 → {to}개({since}부터 {changes}회 변경)")
            }
            Group::OfOne {
                newest,
                earlier,
                since,
            } => {
                let what = super::Text::what(newest, clock);
                format!("{what}, {}부터 알림 {earlier}건 더 있음", clock.short(*since))
            }
            Group::OfSeveral {
                notices,
                workloads,
                since,
            } => {
                let since = clock.short(*since);
                let workloads = match workloads {
                    Workloads::Exactly(count) => format!("{count}개"),
                    Workloads::AtLeast(count) => format!("{count}개 이상"),
                };
                format!("{since}부터 워크로드 {workloads}에 대한 알림 {notices}건")
            }
        }
    }

    fn more(&self, lines: usize) -> String {
        format!("그 밖에 {lines}건")
    }

    fn left_out(&self, notices: u32) -> String {
        format!("알림이 너무 많아 이보다 앞선 알림 {notices}건을 생략했습니다.")
    }
}

impl Korean {
    fn after(&self, what: &str, stage: Stage) -> String {
        match stage {
            Stage::Closed { after } => format!("{} 만에 {what}", self.span(after)),
            Stage::Once | Stage::Opened => what.to_owned(),
        }
    }
}

/// A span in two units at most: `40초`, `1시간 30분`, `3일 2시간`.
fn spoken(span: Duration) -> String {
    const DAY: u64 = 86_400;
    let seconds = span.as_secs();
    if seconds >= 2 * DAY {
        return match (seconds / DAY, seconds % DAY / 3600) {
            (days, 0) => format!("{days}일"),
            (days, hours) => format!("{days}일 {hours}시간"),
        };
    }
    match (seconds / 3600, seconds % 3600 / 60, seconds % 60) {
        (0, 0, _) if span.subsec_millis() > 0 && seconds < 10 => {
            format!("{}초", Number(span.as_secs_f64()))
        }
        (0, 0, seconds) => format!("{seconds}초"),
        (0, minutes, 0) => format!("{minutes}분"),
        (0, minutes, seconds) => format!("{minutes}분 {seconds}초"),
        (hours, 0, _) => format!("{hours}시간"),
        (hours, minutes, _) => format!("{hours}시간 {minutes}분"),
    }
}

/// All of a digest, in short.
fn summary(digest: &Digest, clock: &Clock<'_>) -> String {
    let when = if digest::is_of_yesterday(digest, clock) {
        "어제".to_owned()
    } else {
        let [since, until] =
            [digest.since, digest.until].map(|at| clock.words.day_and_time(&clock.local(at)));
        format!("{since}부터 {until}까지")
    };
    let (changes, workloads) = (digest::changes(digest), digest.workloads.len());
    let mut said = format!("{when}: 워크로드 {workloads}개에서 변경 {changes}회");
    if digest.quiet > 0 {
        super::write_into(&mut said, format_args!(", 조용한 워크로드 {}개", digest.quiet));
    }
    if let Some(hours) = digest::hours(digest) {
        super::write_into(&mut said, format_args!(", {}", compared(hours)));
    }
    said
}

fn compared((replica_hours, fixed_hours): (f64, f64)) -> String {
    let [ours, fixed] = [replica_hours, fixed_hours].map(in_hours);
    format!("레플리카 시간 {ours}(고정 운영 시 {fixed})")
}

fn when(after: Duration) -> String {
    if after.is_zero() {
        "다음 평가에서".to_owned()
    } else {
        format!("{} 뒤", spoken(after))
    }
}

/// When a change can be made that `hold` keeps from being made.
fn over(hold: &Hold, after: Option<Duration>) -> String {
    let once = match hold {
        Hold::Paused { .. } => "누군가 스케일링을 재개하면",
        Hold::SecondScaler { .. } => "둘 중 하나만 스케일링하게 되면",
        Hold::SecondHeadroom { .. } => "누군가 레플리카 수를 설정하면",
        Hold::RequestsSet { .. } => "레플리카 수의 기준이 되는 요청량을 설정하지 않게 되면",
        Hold::BeingDeleted => return "대상이 삭제되는 중이므로 더 변경하지 않습니다.".to_owned(),
        Hold::FailingToStart { .. } => "레플리카가 시작되어 계속 실행되면",
        Hold::ScaleDownHeld { .. } => "축소가 다시 허용되면",
        Hold::RollingOut { .. } => "롤아웃이 끝나면",
        Hold::Contested { .. } => "레플리카 수를 아무도 바꾸지 않으면",
        Hold::FleetBrake { .. } => "전체 축소 제동이 풀리면",
    };
    match (hold, after) {
        (Hold::Contested { .. }, Some(after)) => format!("{once} {} 변경합니다.", when(after)),
        (_, Some(after)) => format!("{once}, 늦어도 {} 변경합니다.", when(after)),
        (_, None) => format!("{once} 변경합니다."),
    }
}

fn failed(failure: &Failure) -> String {
    match failure {
        Failure::Unreadable { .. } => "대상을 읽을 수 없음".to_owned(),
        Failure::NotWritten { from, to, .. } => format!("레플리카 {from}개 → {to}개 변경 실패"),
        Failure::NotConfirmed { from, to, .. } => format!("레플리카 {from}개 → {to}개 변경 여부 미확인"),
        Failure::Pass { .. } => "평가를 온전히 수행하지 못함".to_owned(),
        Failure::Channel { channel, .. } => format!("{channel} 채널로 알림을 보낼 수 없음"),
    }
}

/// An override, as it is named in a sentence.
fn overriding(operator: &Operator) -> String {
    let whose = match &operator.by {
        Some(by) => format!("{by} 님의 오버라이드"),
        None => "오버라이드".to_owned(),
    };
    match &operator.reason {
        Some(reason) => format!("{whose}({reason})"),
        None => whose,
    }
}

fn overridden(min: Option<Replicas>, max: Option<Replicas>, holds_scale_down: bool) -> String {
    let asks = [
        min.map(|min| format!("최소 {min}개")),
        max.map(|max| format!("최대 {max}개")),
        holds_scale_down.then(|| "축소 금지".to_owned()),
    ];
    let asks: Vec<String> = asks.into_iter().flatten().collect();
    asks.join(", ")
}
