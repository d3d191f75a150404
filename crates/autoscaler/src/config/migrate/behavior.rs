//! `spec.behavior`: windows, limits, which of them counts, and tolerances.

use std::time::Duration;

use k8s_openapi::api::autoscaling::v2::{
    HPAScalingPolicy, HPAScalingRules, HorizontalPodAutoscalerBehavior as Behavior,
};

use super::{
    super::words,
    draft::{Draft, quoted, seconds},
};

/// Writes a behavior into `draft`. It is one as soon as it is there, whatever it says.
pub(super) fn write(behavior: &Behavior, draft: &mut Draft) -> Result<(), String> {
    let before = draft.keys.len();
    for (key, name, rules) in [
        ("scale_up", "scaleUp", &behavior.scale_up),
        ("scale_down", "scaleDown", &behavior.scale_down),
    ] {
        if let Some(rules) = rules {
            direction(key, rules, draft).map_err(|reason| format!("behavior.{name}.{reason}"))?;
        }
    }
    if draft.keys.len() == before {
        // The HPA limits a rise otherwise where nothing is said at all.
        draft.set("scale_up.select", "max");
    }
    Ok(())
}

fn direction(key: &str, rules: &HPAScalingRules, draft: &mut Draft) -> Result<(), String> {
    if let Some(window) = rules.stabilization_window_seconds {
        let window = within(window, 0, 3600)
            .ok_or_else(|| format!("stabilizationWindowSeconds: {window} is not from 0 to 3600"))?;
        draft.set_toml(format!("{key}.stabilization"), seconds(window));
        draft.window = draft.window.max(Duration::from_secs(window));
    }
    if let Some(policies) = &rules.policies {
        if policies.is_empty() {
            return Err("policies: an empty list is none that the API server takes".to_owned());
        }
        let limits: Result<Vec<String>, String> = policies.iter().map(limit).collect();
        draft.set_toml(format!("{key}.limit"), format!("[{}]", limits?.join(", ")));
    }
    match rules.select_policy.as_deref() {
        None => {}
        Some("Max") => draft.set(format!("{key}.select"), "max"),
        Some("Min") => draft.set(format!("{key}.select"), "min"),
        Some("Disabled") => draft.set(format!("{key}.select"), "disabled"),
        Some(other) => return Err(format!("selectPolicy: `{other}` is none")),
    }
    if let Some(quantity) = &rules.tolerance {
        let text = tolerance(&quantity.0).ok_or_else(|| format!("tolerance: `{}` is none", quantity.0))?;
        draft.set_toml(format!("{key}.tolerance"), text);
    }
    Ok(())
}

fn limit(policy: &HPAScalingPolicy) -> Result<String, String> {
    let period = within(policy.period_seconds, 1, 1800).ok_or_else(|| {
        format!(
            "policies: a period of {} is not from 1 to 1800",
            policy.period_seconds
        )
    })?;
    let value = within(policy.value, 1, i32::MAX)
        .ok_or_else(|| format!("policies: a value of {} is not above zero", policy.value))?;
    let unit = match policy.type_.as_str() {
        "Pods" => "",
        "Percent" => "%",
        other => return Err(format!("policies: `{other}` is no type")),
    };
    let period = words::duration_text(Duration::from_secs(period));
    Ok(quoted(&format!("{value}{unit} per {period}")))
}

fn within(value: i32, least: i32, most: i32) -> Option<u64> {
    (least..=most)
        .contains(&value)
        .then_some(value)
        .and_then(|value| u64::try_from(value).ok())
}

/// A tolerance as TOML: in percent where that is exactly the same number.
fn tolerance(quantity: &str) -> Option<String> {
    let number = quantity.trim_end_matches(['m', 'u', 'n']);
    let power = match &quantity[number.len()..] {
        "" => 0,
        "m" => -3,
        "u" => -6,
        "n" => -9,
        _ => return None,
    };
    if !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let fraction: f64 = format!("{number}e{power}").parse().ok()?;
    if !(0.0..=1.0).contains(&fraction) {
        return None;
    }
    let percent = format!("{}%", (fraction * 1e8).round() / 1e6);
    let is_exact = words::percentage(&percent).is_ok_and(|read| read.to_bits() == fraction.to_bits());
    Some(if is_exact {
        quoted(&percent)
    } else {
        format!("{fraction:?}")
    })
}

#[cfg(test)]
mod tests {
    use super::tolerance;

    #[test]
    fn a_tolerance_stays_the_number_that_it_is() {
        let written = |quantity| tolerance(quantity).unwrap_or_default();
        assert_eq!(written("0.05"), "\"5%\"");
        assert_eq!(written("50m"), "\"5%\"");
        assert_eq!(written("0.0125"), "\"1.25%\"");
        assert_eq!(written("0"), "\"0%\"");
        assert_eq!(written("1"), "\"100%\"");
        assert_eq!(tolerance("1.5"), None);
        assert_eq!(tolerance("-1"), None);
        assert_eq!(tolerance("1k"), None);
    }
}
