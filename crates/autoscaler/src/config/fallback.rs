//! What to do when too little is known of the load for long.

use headroom_policy_engine::{Fallback, FallbackAction, FallbackWhen, ReplicaBounds, Replicas};

use super::{
    at::At,
    lint::Lint,
    raw::{FallbackAction as RawAction, FallbackWhen as RawWhen, RawFallback},
    reader::{Reader, absent, conflict},
};

/// Reads the fallback; `None` after reporting what is wrong with it.
pub(super) fn fallback(
    at: &At<RawFallback>,
    bounds: Option<ReplicaBounds>,
    reader: &mut Reader<'_>,
) -> Option<Fallback> {
    let raw = &at.value;
    let action = action(at, bounds, reader);
    let after = match &raw.after {
        Some(_) => reader.span("fallback.after", raw.after.as_ref()),
        None => {
            let message = "`fallback` does not say after how long";
            reader.report(absent(message, at.place, "set after = \"3m\""));
            None
        }
    };
    Some(Fallback {
        action: action?,
        after: after?,
        when: match raw.when.as_ref().map(|when| when.value) {
            Some(RawWhen::Any) => FallbackWhen::Any,
            Some(RawWhen::All) | None => FallbackWhen::All,
        },
    })
}

fn action(
    at: &At<RawFallback>,
    bounds: Option<ReplicaBounds>,
    reader: &mut Reader<'_>,
) -> Option<FallbackAction> {
    match (&at.value.replicas, &at.value.action) {
        (Some(number), None) => {
            let replicas = reader.replicas("fallback.replicas", number, 1)?;
            warn_outside(replicas, number, bounds, reader);
            Some(FallbackAction::AtLeast(replicas))
        }
        (None, Some(action)) => Some(match action.value {
            RawAction::Hold => FallbackAction::Hold,
            RawAction::LastKnown => FallbackAction::LastKnown,
        }),
        (Some(number), Some(action)) => {
            let keys = [("replicas", number.place), ("action", action.place)];
            let help = "keep `replicas` for at least so many, or `action`";
            reader.report(conflict("`fallback` says two things to do", &keys, help));
            None
        }
        (None, None) => {
            let help = "set replicas = 4 for at least so many, action = \"hold\" for the count as it is, or \
                        action = \"last_known\" for at least what was last recommended";
            reader.report(absent("`fallback` does not say what to do", at.place, help));
            None
        }
    }
}

fn warn_outside(
    replicas: Replicas,
    number: &At<i64>,
    bounds: Option<ReplicaBounds>,
    reader: &mut Reader<'_>,
) {
    if let Some(bounds) = bounds.filter(|bounds| !bounds.contains(replicas)) {
        let meant = bounds.clamp(replicas);
        let warning =
            format!("the fallback of {replicas} lies outside of {bounds}; {meant} is what it will be");
        reader.lint(Lint::FallbackOutOfBounds, number.place, &warning);
    }
}
