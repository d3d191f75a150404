//! Headroom and another scaler of the same target, side by side.

use headroom_autoscaler::{Beside, Comparison, Difference};
use headroom_policy_engine::WorkloadId;

use super::{
    decision,
    table::{Align, table},
};
use crate::moment;

/// How many differences are shown, the longest of them.
const SHOWN: usize = 5;

/// How the answers about `workload` compare: a sentence, and where they differed and why.
pub(crate) fn beside(workload: &WorkloadId, comparison: &Comparison<'_>) -> String {
    let Comparison {
        other,
        passes,
        agreed,
        ..
    } = comparison;
    let since = moment::date_and_time(comparison.since);
    let mut text = format!(
        "{workload} beside {}: the same answer in {agreed} of {passes} passes since {since}",
        other.name
    );
    if let Some(share) = share(*agreed, *passes) {
        text.push_str(&format!(" ({share})"));
    }
    if comparison.unanswered > 0 {
        text.push_str(&format!(
            "; in {} more, one of the two had none",
            comparison.unanswered
        ));
    }
    let differences = &comparison.differences;
    if differences.is_empty() {
        return text;
    }
    let (shown, left_out) = longest(differences);
    let columns = [
        ("from", Align::Left),
        ("for", Align::Left),
        ("headroom", Align::Right),
        ("it", Align::Right),
        ("why headroom", Align::Left),
    ];
    text.push('\n');
    text.push_str(&table(&columns, shown.into_iter().map(row)));
    if left_out > 0 {
        text.push_str(&format!("\n{left_out} shorter ones are left out"));
    }
    text
}

/// Another scaler and what it wants.
pub(crate) fn words(other: &Beside) -> String {
    match other.wants {
        Some(wants) => format!("{}, which wants {wants}", other.name),
        None => format!("{}, which does not tell what it wants", other.name),
    }
}

/// The longest of `differences`, in the order of time, and how many others there are.
fn longest<'d, 'a>(differences: &'d [Difference<'a>]) -> (Vec<&'d Difference<'a>>, usize) {
    let mut shown: Vec<_> = differences.iter().collect();
    shown.sort_by_key(|one| std::cmp::Reverse(one.until.since(one.from)));
    shown.truncate(SHOWN);
    shown.sort_by_key(|one| one.from);
    let left_out = differences.len() - shown.len();
    (shown, left_out)
}

fn row(one: &Difference<'_>) -> Vec<String> {
    let span = one.until.since(one.from);
    let lasted = if span.is_zero() {
        "one pass".to_owned()
    } else {
        moment::span(span)
    };
    vec![
        moment::date_and_time(one.from),
        lasted,
        one.ours.to_string(),
        one.theirs.to_string(),
        decision::why_own_answer(&one.row.record),
    ]
}

/// A share for people, never rounded up to all of it.
fn share(part: u64, whole: u64) -> Option<String> {
    if whole == 0 {
        return None;
    }
    let tenths = part * 1000 / whole;
    Some(format!("{}.{} %", tenths / 10, tenths % 10))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use headroom_autoscaler::{DecisionRecord, HistoryRow, Mode};
    use headroom_policy_engine::Replicas;

    use super::*;
    use crate::report::samples;

    fn rows(answers: &[(Option<u32>, u64)]) -> Vec<HistoryRow> {
        let mut at = samples::AT;
        let mut rows = Vec::new();
        for (id, (wants, count)) in (1..).zip(answers) {
            let seconds = |passes| Duration::from_secs(15 * passes);
            let beside = Beside {
                name: "HorizontalPodAutoscaler/api".into(),
                wants: wants.map(Replicas::new),
            };
            rows.push(HistoryRow {
                id,
                first_at: at,
                last_at: at.plus(seconds(count - 1)),
                count: *count,
                record: DecisionRecord {
                    mode: Mode::Shadow,
                    beside: vec![beside],
                    ..samples::scale_up()
                },
            });
            at = at.plus(seconds(*count));
        }
        rows.reverse();
        rows
    }

    #[track_caller]
    fn told(answers: &[(Option<u32>, u64)]) -> String {
        let rows = rows(answers);
        let comparison = Comparison::of(&rows).unwrap();
        beside(&"shop/api".parse().unwrap(), &comparison)
    }

    #[test]
    fn tells_how_often_two_scalers_agree() {
        let text = told(&[(Some(6), 2), (None, 1)]);
        assert!(
            text.starts_with(
                "shop/api beside HorizontalPodAutoscaler/api: the same answer in 2 of 2 passes since "
            ),
            "{text}"
        );
        assert!(
            text.ends_with(" (100.0 %); in 1 more, one of the two had none"),
            "{text}"
        );
    }

    #[test]
    fn an_agreement_that_is_not_whole_is_not_rounded_up() {
        let text = told(&[(Some(6), 9_999), (Some(5), 1)]);
        assert!(text.contains(" (99.9 %)\n"), "{text}");
        assert!(text.contains("  one pass "), "{text}");
    }

    #[test]
    fn tells_where_two_scalers_differed_and_why() {
        let text = told(&[(Some(6), 4), (Some(4), 8), (Some(6), 4)]);
        let line = text.lines().nth(2).unwrap();
        let words = line.split_once("  ").unwrap().1;
        assert_eq!(
            words,
            "2 min         6   4  request_rate is 930, at 100 for each replica: asks for 10; 10 are wanted, and the \
             maximum is 6"
        );
    }

    #[test]
    fn shows_the_longest_differences_and_counts_the_others() {
        let mut answers = Vec::new();
        for number in 1..=8 {
            answers.extend([(Some(5), number), (Some(6), 1)]);
        }
        let text = told(&answers);
        assert_eq!(text.lines().count(), 1 + 1 + SHOWN + 1, "{text}");
        assert!(text.ends_with("\n3 shorter ones are left out"), "{text}");
    }
}
