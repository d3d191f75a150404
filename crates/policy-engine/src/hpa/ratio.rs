//! How far usage is from its target (`hpa-semantics` §6.2, §6.3).

use super::MetricError;
use crate::{Milli, pod::as_f64};

/// Usage against a target utilization.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UtilizationRatio {
    /// The utilization over its target.
    pub ratio: f64,
    /// The utilization in whole percent of the requests: the fraction is cut off before the ratio is made.
    pub percent: i32,
    /// The mean usage, cut to whole thousandths.
    pub average: Milli,
}

/// Usage against a target for the mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UsageRatio {
    /// The mean over its target.
    pub ratio: f64,
    /// The mean usage, cut to whole thousandths.
    pub average: Milli,
}

/// Values that were added up, and how many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sum {
    pub(super) usage: i64,
    pub(super) count: i64,
}

impl Sum {
    pub(super) const fn add(&mut self, value: Milli) {
        self.usage = self.usage.saturating_add(value.get());
        self.count += 1;
    }

    pub(super) const fn plus(self, other: Self) -> Self {
        Self {
            usage: self.usage.saturating_add(other.usage),
            count: self.count + other.count,
        }
    }
}

/// The utilization of those pods that have both a usage and a request, against `target` percent.
///
/// # Errors
/// When their requests add up to nothing.
pub fn utilization_ratio(
    pods: impl IntoIterator<Item = (Option<Milli>, Option<Milli>)>,
    target: i32,
) -> Result<UtilizationRatio, MetricError> {
    let (mut used, mut requested) = (Sum::default(), 0_i64);
    for (usage, request) in pods {
        if let (Some(usage), Some(request)) = (usage, request) {
            used.add(usage);
            requested = requested.saturating_add(request.get());
        }
    }
    utilization_of(used, requested, target)
}

pub(super) fn utilization_of(
    used: Sum,
    requested: i64,
    target: i32,
) -> Result<UtilizationRatio, MetricError> {
    if requested == 0 || used.count == 0 {
        return Err(MetricError::NoMetricsMatchKnownPods);
    }
    let percent = i128::from(used.usage) * 100 / i128::from(requested);
    let bounded = percent.clamp(i32::MIN.into(), i32::MAX.into());
    let percent = i32::try_from(bounded).unwrap_or(i32::MAX);
    Ok(UtilizationRatio {
        ratio: f64::from(percent) / f64::from(target),
        percent,
        average: Milli::new(used.usage / used.count),
    })
}

/// The mean of `values` against `target`. No values have a mean of zero.
pub fn usage_ratio(values: impl IntoIterator<Item = Milli>, target: Milli) -> UsageRatio {
    let mut sum = Sum::default();
    values.into_iter().for_each(|value| sum.add(value));
    usage_of(sum, target)
}

pub(super) fn usage_of(sum: Sum, target: Milli) -> UsageRatio {
    let average = sum.usage.checked_div(sum.count).unwrap_or(0);
    UsageRatio {
        ratio: as_f64(average) / as_f64(target.get()),
        average: Milli::new(average),
    }
}
