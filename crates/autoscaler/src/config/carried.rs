//! What is read and checked, and not carried out by this version: one line for each kind.

use crate::{MetricOrigin, Remark, RemarkKind, WorkloadSettings};

/// One line for each thing that is read and checked and not carried out.
pub(super) fn not_carried_out(workloads: &[WorkloadSettings], channels: usize, remarks: &mut Vec<Remark>) {
    let mut say = |text: String| {
        remarks.push(Remark {
            kind: RemarkKind::NotCarriedOut,
            code: None,
            place: None,
            text,
        });
    };
    if channels > 0 {
        say(format!(
            "notify: {} read and checked; this version sends nothing",
            counted(channels, "channel is", "channels are")
        ));
    }
    let by_resource = |one: &&WorkloadSettings| {
        one.metrics
            .iter()
            .any(|metric| matches!(metric.origin, MetricOrigin::Resource { .. }))
    };
    let resource: Vec<&str> = workloads
        .iter()
        .filter(by_resource)
        .map(|one| one.id.as_str())
        .collect();
    if !resource.is_empty() {
        say(format!(
            "utilization without a query: {} by Kubernetes' own cpu or memory ({}), read and checked; this version cannot \
             ask for it, a query can",
            counted(resource.len(), "workload scales", "workloads scale"),
            some_of(&resource)
        ));
    }
}

fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// The first three, and how many more there are.
fn some_of(names: &[&str]) -> String {
    let shown = names[..names.len().min(3)].join(", ");
    match names.len().saturating_sub(3) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
