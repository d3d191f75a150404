//! headroom itself inside the demo: its policy, its passes, and its replicas, the same as anywhere.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use headroom_actuator::{ProcessActuator, ProcessReader, ScaleTarget, TargetError, TargetReader as _};
use headroom_autoscaler::{
    Assembly, AssemblyError, Autoscaler, Clock as _, DecisionRecord, PassError, PassRecord, Purpose,
    SystemClock, Verdict, Which,
    config::{Environment, LoadOptions, Problems, load},
};
use headroom_policy_engine::{BoundsError, Readiness, ReplicaBounds, Replicas, Step};
use serde::Serialize;
use thiserror::Error;

use super::chart::Moment;

/// The load one replica is meant to carry, as the demo's policy has it.
pub(crate) const PER_REPLICA: f64 = 70.0;

/// Why the demo's scaling could not be set up or ended.
#[derive(Debug, Error)]
pub(crate) enum ScalingError {
    /// The demo's own policy is wrong.
    #[error("the policy of the demo is wrong: {0}")]
    Policy(Problems),
    /// It has no process to scale.
    #[error("the policy of the demo has no process")]
    NoProcess,
    /// The fixed count cannot be.
    #[error("the fixed count cannot be")]
    Bounds(#[from] BoundsError),
    /// The parts could not be put together.
    #[error("the demo could not be put together")]
    Assembly(#[from] AssemblyError),
    /// The replicas could not be ended.
    #[error("the replicas could not be ended")]
    End(#[from] TargetError),
}

/// headroom at work on the demo's service.
#[derive(Debug)]
pub(crate) struct Scaling {
    autoscaler: Autoscaler,
    reader: ProcessReader,
    processes: Arc<ProcessActuator>,
    target: ScaleTarget,
}

impl Scaling {
    /// Puts headroom together for the policy at `policy`, with its state in `state_dir`; with a `fixed` count the bounds
    /// leave no room.
    pub(crate) fn start(
        policy: &Path,
        state_dir: PathBuf,
        fixed: Option<Replicas>,
    ) -> Result<Self, ScalingError> {
        let options = LoadOptions {
            state_dir: Some(state_dir),
            ..LoadOptions::default()
        };
        let environment = Environment::default();
        let mut configuration = load(&[policy.to_owned()], &environment, &options)
            .map_err(ScalingError::Policy)?
            .configuration;
        if let Some(count) = fixed {
            for workload in &mut configuration.workloads {
                workload.policy.bounds = ReplicaBounds::new(count, count)?;
            }
        }
        let target = configuration
            .workloads
            .first()
            .map(|workload| workload.target.clone());
        let Some(target) = target else {
            return Err(ScalingError::NoProcess);
        };
        let autoscaler = Assembly::build(configuration, &environment, Purpose::Apply)?;
        let records = Arc::clone(autoscaler.store());
        Ok(Self {
            reader: ProcessReader::new(Arc::clone(&records) as _),
            processes: Arc::new(ProcessActuator::new(records)),
            autoscaler,
            target,
        })
    }

    /// Kills the replicas when the demo panics while this is held.
    pub(crate) fn kill_on_panic(&self) -> KillOnPanic {
        KillOnPanic(Arc::clone(&self.processes))
    }

    /// One pass, now.
    pub(crate) async fn pass(&self) -> Decided {
        let pass = self.autoscaler.pass(SystemClock.now(), Which::All).await;
        Decided::new(pass)
    }

    /// The base URLs of the replicas that can serve.
    pub(crate) async fn ready_replicas(&self) -> Vec<Arc<str>> {
        let states = self
            .reader
            .read(std::slice::from_ref(&self.target), SystemClock.now())
            .await;
        let replicas = states.into_iter().flatten().flat_map(|state| state.replicas);
        replicas
            .filter(|replica| replica.ready)
            .map(|replica| replica.base_url)
            .collect()
    }

    /// Ends all replicas.
    pub(crate) async fn end(&self) -> Result<(), ScalingError> {
        Ok(self.processes.stop_all(&self.target, SystemClock.now()).await?)
    }
}

/// Kills the replicas when it is dropped by a panic.
pub(crate) struct KillOnPanic(Arc<ProcessActuator>);

impl Drop for KillOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.kill_all();
        }
    }
}

/// What one pass decided, ready to be shown.
#[derive(Clone, Debug)]
pub(crate) struct Decided {
    /// Replicas that are wanted from now on.
    pub(crate) wanted: u32,
    /// Replicas that were ready when it was decided.
    pub(crate) ready: u32,
    /// Whether the count changes, or is held for another reason than before.
    pub(crate) is_news: bool,
    reason: &'static str,
    words: String,
}

/// One decision, as JSON.
#[derive(Serialize)]
struct Line<'a> {
    version: u32,
    kind: &'static str,
    seconds: f64,
    load: f64,
    wanted: u32,
    ready: u32,
    p95_millis: Option<u128>,
    reason: &'a str,
    explanation: &'a str,
}

impl Decided {
    fn new(pass: Result<PassRecord, PassError>) -> Self {
        let failed = |words: String| Self {
            wanted: 0,
            ready: 0,
            is_news: true,
            reason: "failed",
            words,
        };
        match pass {
            Err(error) => failed(error.to_string()),
            Ok(pass) => match pass.decisions.first() {
                Some(record) => Self::of(record),
                None => failed("the pass before has not ended".to_owned()),
            },
        }
    }

    fn of(record: &DecisionRecord) -> Self {
        match &record.verdict {
            Verdict::Unreadable { error } => Self {
                wanted: 0,
                ready: 0,
                is_news: true,
                reason: "unreadable",
                words: error.clone(),
            },
            Verdict::Decided {
                target,
                decision,
                explanation,
                ..
            } => {
                let ready = match target.readiness {
                    Readiness::Known { ready, .. } => ready.get(),
                    Readiness::Unknown => 0,
                };
                Self {
                    wanted: decision.desired().get(),
                    ready,
                    is_news: decision.direction().is_some(),
                    reason: decision.reason().code(),
                    words: match deciding(&explanation.0) {
                        Some(step) if decision.direction().is_some() => {
                            format!("{} → {}: {step}", decision.current(), decision.desired())
                        }
                        Some(_) | None => decision.to_string(),
                    },
                }
            }
        }
    }

    /// One plain line.
    pub(crate) fn line(&self, moment: &Moment) -> String {
        let p95 = moment
            .p95
            .map_or("-".to_owned(), |p95| p95.as_millis().to_string());
        format!(
            "{:>5.0} s  {:>4.0} requests/s  {:>2} of {:>2} ready  p95 {p95:>4} ms  {}",
            moment.elapsed.as_secs_f64(),
            moment.load,
            moment.ready,
            moment.wanted,
            self.words
        )
    }

    /// One JSON object.
    pub(crate) fn json(&self, moment: &Moment) -> String {
        let line = Line {
            version: 1,
            kind: "decision",
            seconds: moment.elapsed.as_secs_f64(),
            load: moment.load,
            wanted: self.wanted,
            ready: self.ready,
            p95_millis: moment.p95.map(|p95| p95.as_millis()),
            reason: self.reason,
            explanation: &self.words,
        };
        // Numbers and text always become JSON.
        serde_json::to_string(&line).unwrap_or_default()
    }
}

/// What the metric with the largest proposal said.
fn deciding(steps: &[Step]) -> Option<&Step> {
    let by = steps.iter().find_map(|step| {
        if let Step::Combined { by, .. } = step {
            by.as_ref()
        } else {
            None
        }
    })?;
    steps
        .iter()
        .find(|step| matches!(step, Step::Recommended { metric, .. } if metric == by))
}
