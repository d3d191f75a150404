//! The pods of one object with what was measured of them, in the engine's terms, and what that comes to for people.

use std::{collections::HashMap, sync::Arc};

use headroom_cluster::{self as cluster, Objects, PodMetrics, Requests};
use headroom_policy_engine::{
    Amounts, Container, ContainerId, ContainerUsage, Coverage, InitContainer, MetricSamples, Milli, PerPod,
    Pod, PodUsage, Reading, Resource,
    hpa::{
        Aggregated, Gates, MetricError, MetricKind, PodSample, PodSamples, aggregate_samples, pod_requests,
    },
};

use crate::{Answer, MeasuredPods, ObserveError, UsageQuery};

/// The pods of one object, and what was measured of them.
pub(super) struct Measured {
    seen: Vec<Arc<cluster::Pod>>,
    pods: Arc<MeasuredPods>,
}

/// What counts of one pod: it is a replica that serves and was measured.
struct Counted {
    requested: Milli,
    sample: PodSample,
}

impl Measured {
    pub(super) fn new<'u>(
        seen: &[&Arc<cluster::Pod>],
        usage: &Objects<PodMetrics>,
        strangers: impl Iterator<Item = &'u Arc<PodMetrics>>,
        containers: &[Arc<str>],
    ) -> Self {
        let mut numbers = Numbers::new(containers);
        let pods = seen.iter().map(|seen| pod(seen, &mut numbers)).collect();
        let of_pods = seen.iter().map(|pod| {
            let metrics = usage.named(&pod.name)?;
            Some(pod_usage(metrics, &mut numbers))
        });
        let of_pods = of_pods.collect();
        let strangers = strangers
            .map(|metrics| pod_usage(metrics, &mut numbers))
            .collect();
        Self {
            seen: seen.iter().map(|seen| Arc::clone(seen)).collect(),
            pods: Arc::new(MeasuredPods {
                pods,
                samples: MetricSamples::Usage(PerPod { of_pods, strangers }),
            }),
        }
    }

    pub(super) fn answer(&self, query: &UsageQuery) -> Answer {
        match self.counted(query) {
            Ok((counted, serving)) => Answer {
                reading: self.reading(query, &counted, serving).map_err(Arc::new),
                remarks: Vec::new(),
                scrape_interval: counted.iter().map(|counted| counted.sample.window).max(),
                pods: Some(Arc::clone(&self.pods)),
            },
            Err(error) => Answer {
                pods: Some(Arc::clone(&self.pods)),
                ..Answer::failed(error)
            },
        }
    }

    /// What counts for `query`, and how many of these serve: where none does, what was measured of the others is shown.
    fn counted(&self, query: &UsageQuery) -> Result<(Vec<Counted>, usize), ObserveError> {
        let requested = self.requested(query)?;
        let samples = self.samples(query)?;
        let of = |serves: bool| -> Vec<Counted> {
            let pods = self.seen.iter().zip(&requested).enumerate();
            pods.filter(|(_, (pod, _))| pod.counts() && pod.is_ready() == serves)
                .filter_map(|(index, (_, &requested))| {
                    let sample = samples.of_pod(index)?;
                    Some(Counted { requested, sample })
                })
                .collect()
        };
        let serving = of(true);
        let count = serving.len();
        let counted = if serving.is_empty() { of(false) } else { serving };
        if counted.is_empty() {
            return Err(self.no_usage());
        }
        Ok((counted, count))
    }

    fn samples(&self, query: &UsageQuery) -> Result<PodSamples<'_>, ObserveError> {
        match aggregate_samples(kind(query), &self.pods.samples) {
            Ok(Aggregated::PerPod(samples)) => Ok(samples),
            Ok(Aggregated::Object(_) | Aggregated::Total(_)) | Err(_) => Err(self.no_usage()),
        }
    }

    fn no_usage(&self) -> ObserveError {
        ObserveError::NoUsage {
            pods: self.seen.len(),
        }
    }

    /// What each pod requests. One that does not say so fails all, as it does for the HPA.
    fn requested(&self, query: &UsageQuery) -> Result<Vec<Milli>, ObserveError> {
        let gates = Gates::default();
        let requested = pod_requests(&self.pods.pods, query.resource, query.container, &gates);
        let each = requested.enumerate().map(|(index, requested)| {
            requested.map_err(|why| match self.seen.get(index) {
                Some(pod) => no_request(pod, query, why),
                None => self.no_usage(),
            })
        });
        each.collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "for people, and a count of pods")]
    fn reading(
        &self,
        query: &UsageQuery,
        counted: &[Counted],
        serving: usize,
    ) -> Result<Reading, ObserveError> {
        let sum = |of: fn(&Counted) -> Milli| counted.iter().map(of).fold(Milli::ZERO, Milli::saturating_add);
        let requested = sum(|counted| counted.requested);
        if requested == Milli::ZERO {
            return Err(ObserveError::NoRequest {
                pod: self
                    .seen
                    .first()
                    .map_or_else(String::new, |pod| pod.name.to_string()),
                container: None,
                resource: name(query.resource),
            });
        }
        Ok(Reading {
            value: sum(|counted| counted.sample.value).get() as f64 / requested.get() as f64,
            answered_at: None,
            newest_sample: counted.iter().map(|counted| counted.sample.measured_at).min(),
            coverage: Coverage {
                replicas: Some(serving as f64),
                window: None,
            },
        })
    }
}

const fn kind(query: &UsageQuery) -> MetricKind {
    match query.container {
        Some(container) => MetricKind::ContainerResource(query.resource, container),
        None => MetricKind::Resource(query.resource),
    }
}

const fn name(resource: Resource) -> &'static str {
    match resource {
        Resource::Cpu => "cpu",
        Resource::Memory => "memory",
        Resource::Other(_) => "of the resource",
    }
}

/// Why `pod` has nothing to hold its usage against, by name.
fn no_request(pod: &cluster::Pod, query: &UsageQuery, why: MetricError) -> ObserveError {
    let meant = query
        .container
        .and_then(|id| query.containers.get(usize::from(id.0)));
    if let (MetricError::ContainerNotFound, Some(meant)) = (why, meant) {
        return ObserveError::NoContainer {
            pod: pod.name.to_string(),
            container: meant.to_string(),
            has: pod.lasting().map(|one| one.name.to_string()).collect(),
        };
    }
    let without = pod.lasting().find(|one| {
        meant.is_none_or(|meant| **meant == *one.name) && amounts(one.requests).of(query.resource).is_none()
    });
    ObserveError::NoRequest {
        pod: pod.name.to_string(),
        container: without.map(|one| one.name.to_string()),
        resource: name(query.resource),
    }
}

/// The numbers of containers by their names.
struct Numbers<'a> {
    known: &'a [Arc<str>],
    others: HashMap<Box<str>, u16>,
}

impl<'a> Numbers<'a> {
    fn new(known: &'a [Arc<str>]) -> Self {
        Self {
            known,
            others: HashMap::new(),
        }
    }

    fn of(&mut self, name: &str) -> ContainerId {
        if let Some(known) = (0..).zip(self.known).find(|(_, known)| &***known == name) {
            return ContainerId(known.0);
        }
        if let Some(&number) = self.others.get(name) {
            return ContainerId(number);
        }
        let next = u16::try_from(self.known.len() + self.others.len()).unwrap_or(u16::MAX);
        self.others.insert(name.into(), next);
        ContainerId(next)
    }
}

fn pod(seen: &cluster::Pod, numbers: &mut Numbers<'_>) -> Pod {
    let mut container = |one: &cluster::Container| Container {
        id: numbers.of(&one.name),
        requests: amounts(one.requests),
    };
    Pod {
        containers: seen.containers.iter().map(&mut container).collect(),
        init_containers: seen
            .init_containers
            .iter()
            .map(|(one, kind)| InitContainer {
                container: container(one),
                kind: *kind,
            })
            .collect(),
        pod_level: seen.requests.map(amounts),
        ..seen.without_requests()
    }
}

fn pod_usage(metrics: &PodMetrics, numbers: &mut Numbers<'_>) -> PodUsage {
    let container = |one: &cluster::ContainerUsage| ContainerUsage {
        id: numbers.of(&one.name),
        usage: amounts(one.used),
    };
    PodUsage {
        measured_at: metrics.measured_at,
        window: metrics.window,
        containers: metrics.containers.iter().map(container).collect(),
    }
}

fn amounts(requests: Requests) -> Amounts {
    let each = [(Resource::Cpu, requests.cpu), (Resource::Memory, requests.memory)];
    let known = each
        .into_iter()
        .filter_map(|(resource, amount)| Some((resource, amount?)));
    known.fold(Amounts::default(), |amounts, (resource, amount)| {
        amounts.with(resource, amount)
    })
}
