//! What is known about each pod of a workload, and what each of them uses.
//!
//! Names are compared once, by whoever reads them: here a container is a number, and a sample stands in the place of
//! its pod. Quantities are whole thousandths, as Kubernetes has them.

use std::{fmt, time::Duration};

use crate::Timestamp;

/// A quantity in whole thousandths of its unit: 500m of CPU is 500, 1 GiB of memory is 1,073,741,824,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Milli(i64);

impl Milli {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// That many thousandths.
    #[must_use]
    pub const fn new(thousandths: i64) -> Self {
        Self(thousandths)
    }

    /// `value` in whole thousandths, rounded up as Kubernetes' quantities are. What lies within float noise of a whole
    /// number is that number; what does not fit becomes the nearest that does, and NaN becomes zero.
    #[must_use]
    pub fn from_value(value: f64) -> Self {
        let thousandths = value * 1000.0;
        let whole = thousandths.round();
        let near = (thousandths - whole).abs() <= 1e-9 * whole.abs().max(1.0);
        Self(saturating_i64(if near { whole } else { thousandths.ceil() }))
    }

    /// The bare number of thousandths.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The value in its own unit; inexact above 2^53 thousandths.
    #[must_use]
    pub fn value(self) -> f64 {
        as_f64(self.0) / 1000.0
    }

    /// The sum; the nearest there is where it does not fit.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the HPA's ratios are those of rounded floats"
)]
pub(crate) const fn as_f64(whole: i64) -> f64 {
    whole as f64
}

/// The whole number nearest to `value` that fits; NaN becomes zero.
#[expect(clippy::cast_possible_truncation, reason = "saturating is what is meant")]
pub(crate) const fn saturating_i64(value: f64) -> i64 {
    value as i64
}

/// A kind of resource that a container asks for and uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Resource {
    /// Processor time, in cores. The only one whose samples are not used while a pod starts.
    Cpu,
    /// Memory, in bytes.
    Memory,
    /// Another one, numbered by who reads it.
    Other(u16),
}

impl Resource {
    /// The one that Kubernetes calls `name`: `cpu` or `memory`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Cpu, Self::Memory]
            .into_iter()
            .find(|one| one.name() == Some(name))
    }

    /// What Kubernetes calls it; `None` for one that only who reads it has a name for.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Cpu => Some("cpu"),
            Self::Memory => Some("memory"),
            Self::Other(_) => None,
        }
    }
}

/// The name of a container, as a number given by who reads it: the same name has the same number in all pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ContainerId(pub u16);

/// How much there is of each resource. A resource that is absent is not zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    cpu: Option<Milli>,
    memory: Option<Milli>,
    others: Vec<(u16, Milli)>,
}

impl Amounts {
    /// These amounts with `amount` of `resource`, in place of what there was of it.
    #[must_use]
    pub fn with(mut self, resource: Resource, amount: Milli) -> Self {
        match resource {
            Resource::Cpu => self.cpu = Some(amount),
            Resource::Memory => self.memory = Some(amount),
            Resource::Other(number) => {
                self.others.retain(|(other, _)| *other != number);
                self.others.push((number, amount));
            }
        }
        self
    }

    /// How much there is of `resource`; `None` where it is absent.
    #[must_use]
    pub fn of(&self, resource: Resource) -> Option<Milli> {
        match resource {
            Resource::Cpu => self.cpu,
            Resource::Memory => self.memory,
            Resource::Other(number) => {
                let mut others = self.others.iter();
                others
                    .find(|(other, _)| *other == number)
                    .map(|(_, amount)| *amount)
            }
        }
    }

    /// Whether CPU or memory is among them: the resources that a pod as a whole can ask for (KEP-2837).
    #[must_use]
    pub const fn has_cpu_or_memory(&self) -> bool {
        self.cpu.is_some() || self.memory.is_some()
    }
}

/// One pod that the target's selector matches, whoever owns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Where it is in its life.
    pub phase: PodPhase,
    /// Whether it is being deleted (its deletion timestamp is set).
    pub deleted: bool,
    /// Its Ready condition; `None` where it has none.
    pub ready: Option<ReadyCondition>,
    /// When it was started; `None` where it was not yet.
    pub started_at: Option<Timestamp>,
    /// Its containers and what they ask for.
    pub containers: Vec<Container>,
    /// Its init containers, in the order in which they start.
    pub init_containers: Vec<InitContainer>,
    /// What the pod as a whole asks for (KEP-2837); `None` where it does not.
    pub pod_level: Option<Amounts>,
}

impl Pod {
    /// A pod that has been running and ready for ever, with these containers.
    #[must_use]
    pub const fn running(containers: Vec<Container>) -> Self {
        Self {
            phase: PodPhase::Running,
            deleted: false,
            ready: Some(ReadyCondition {
                status: ConditionStatus::True,
                since: Timestamp::MIN,
            }),
            started_at: Some(Timestamp::MIN),
            containers,
            init_containers: Vec::new(),
            pod_level: None,
        }
    }

    /// Whether its Ready condition has this status.
    pub(crate) fn is_ready(&self, status: ConditionStatus) -> bool {
        self.ready.is_some_and(|ready| ready.status == status)
    }
}

/// Where a pod is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PodPhase {
    /// Accepted, and not all of its containers have started.
    Pending,
    /// At least one container runs, starts or restarts.
    Running,
    /// All containers have ended well.
    Succeeded,
    /// All containers have ended, and one has failed.
    Failed,
    /// Its node does not tell.
    Unknown,
}

/// Whether something holds, as Kubernetes says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody can tell.
    Unknown,
}

impl fmt::Display for ConditionStatus {
    /// As Kubernetes writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The Ready condition of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadyCondition {
    /// Whether the pod can serve.
    pub status: ConditionStatus,
    /// When that last changed.
    pub since: Timestamp,
}

/// A container and what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its name.
    pub id: ContainerId,
    /// What it asks for.
    pub requests: Amounts,
}

/// A container that starts before the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitContainer {
    /// Its name and what it asks for.
    pub container: Container,
    /// What becomes of it once the others have started.
    pub kind: InitKind,
}

/// What becomes of an init container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InitKind {
    /// It ends before the next one starts.
    Ordinary,
    /// It goes on beside the others (a sidecar: restart policy `Always`, KEP-753).
    Sidecar,
}

/// What one pod used within a window of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodUsage {
    /// The end of the window.
    pub measured_at: Timestamp,
    /// How long it was.
    pub window: Duration,
    /// What each container used.
    pub containers: Vec<ContainerUsage>,
}

/// What one container used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerUsage {
    /// Its name.
    pub id: ContainerId,
    /// How much of each resource.
    pub usage: Amounts,
}

/// One value of a pod's own metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodValue {
    /// When it was measured.
    pub measured_at: Timestamp,
    /// Over how long; `None` where the source does not say.
    pub window: Option<Duration>,
    /// The value.
    pub value: Milli,
}

/// Something for each pod of a workload, in the order of its pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerPod<T> {
    /// What there is for the pod in the same place; `None` where the source had nothing of it.
    pub of_pods: Vec<Option<T>>,
    /// What the source had of pods that the selector does not match.
    pub strangers: Vec<T>,
}

impl<T> Default for PerPod<T> {
    fn default() -> Self {
        Self {
            of_pods: Vec::new(),
            strangers: Vec::new(),
        }
    }
}

impl<T> PerPod<T> {
    /// Whether the source had nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.strangers.is_empty() && self.of_pods.iter().all(Option::is_none)
    }
}

/// What a source returned for one metric, before anything is added up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetricSamples {
    /// What each pod used (metrics.k8s.io).
    Usage(PerPod<PodUsage>),
    /// A value of each pod (custom.metrics.k8s.io).
    Values(PerPod<PodValue>),
    /// One value of one object (custom.metrics.k8s.io).
    Object(Milli),
    /// One value for each series (external.metrics.k8s.io, or a query).
    Series(Vec<Milli>),
}

/// The pods of a workload at the moment of evaluation, and what the sources had of them for each metric.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pods {
    /// Every pod that the target's selector matches.
    pub pods: Vec<Pod>,
    /// What was measured, in the order of the policy's metrics; `None` for a metric that is one number.
    pub samples: Vec<Option<MetricSamples>>,
}

impl Pods {
    /// What was measured for the metric at `index` of the policy.
    #[must_use]
    pub fn samples(&self, index: usize) -> Option<&MetricSamples> {
        self.samples.get(index).and_then(Option::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_rounded_up_to_whole_thousandths_unless_it_is_noise() {
        for (value, thousandths) in [
            (0.0, 0),
            (8.6, 8_600),
            (2.007, 2_007), // 2.007 × 1000 is a hair above 2007
            (1.1, 1_100),
            (0.0001, 1),
            (2.0004, 2_001),
            (8.999_99, 9_000), // a hundredth of a thousandth below is no noise, and rounded up all the same
            (9.000_01, 9_001),
            (5_000.000_4, 5_000_001),
            (123_456.789, 123_456_789),
            (-0.0015, -1),
            (f64::NAN, 0),
            (f64::INFINITY, i64::MAX),
            (f64::NEG_INFINITY, i64::MIN),
            (1e300, i64::MAX),
        ] {
            assert_eq!(Milli::from_value(value), Milli::new(thousandths), "{value}");
        }
    }

    #[test]
    fn thousandths_are_a_thousandth() {
        assert_eq!(Milli::new(1500).value().to_bits(), 1.5_f64.to_bits());
    }

    #[test]
    fn an_amount_takes_the_place_of_the_one_before_and_of_no_other() {
        let (disk, gpu) = (Resource::Other(1), Resource::Other(2));
        let amounts = Amounts::default()
            .with(disk, Milli::new(1))
            .with(gpu, Milli::new(2))
            .with(disk, Milli::new(3))
            .with(Resource::Memory, Milli::new(4));
        let of = |resource| amounts.of(resource).map(Milli::get);
        assert_eq!(
            [of(disk), of(gpu), of(Resource::Memory), of(Resource::Cpu)],
            [Some(3), Some(2), Some(4), None]
        );
        assert!(amounts.has_cpu_or_memory());
        assert!(!Amounts::default().with(disk, Milli::new(1)).has_cpu_or_memory());
    }

    #[test]
    fn a_source_that_had_something_is_not_empty() {
        let empty: PerPod<i32> = PerPod {
            of_pods: vec![None, None],
            strangers: Vec::new(),
        };
        assert!(empty.is_empty());
        assert!(
            !PerPod {
                of_pods: vec![None, Some(1)],
                ..empty.clone()
            }
            .is_empty()
        );
        assert!(
            !PerPod {
                strangers: vec![1],
                ..empty
            }
            .is_empty()
        );
    }
}
