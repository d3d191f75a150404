//! What is in force beside a policy, in words: who asks for what, and until when.

use headroom_autoscaler::InForce;

use crate::moment;

/// One of them: what it asks for, until when, and what it is.
pub(crate) fn words(one: &InForce) -> String {
    format!(
        "{} until {}, by {}",
        asks(one),
        moment::date_and_time(one.until),
        one.by
    )
}

/// All of them in one line; `None` when there are none.
pub(crate) fn listed(all: &[InForce]) -> Option<String> {
    let each: Vec<String> = all.iter().map(words).collect();
    (!each.is_empty()).then(|| each.join("; "))
}

fn asks(one: &InForce) -> String {
    let floor = one.bounds.floor.as_ref();
    let floor = floor.map(|bound| format!("at least {}", bound.replicas()));
    let ceiling = one.bounds.ceiling.as_ref();
    let ceiling = ceiling.map(|bound| format!("at most {}", bound.replicas()));
    let hold = one.hold.as_ref().map(|_| "no scaling down".to_owned());
    let asks: Vec<String> = floor.into_iter().chain(ceiling).chain(hold).collect();
    asks.join(" and ")
}
