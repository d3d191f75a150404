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

use super::{DemoError, chart::Moment};

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
    /// The one that starts the replicas: only it knows what to kill.
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
        let processes = autoscaler.processes().ok_or(ScalingError::NoProcess)?;
        Ok(Self {
            reader: ProcessReader::new(Arc::clone(autoscaler.store()) as _),
            processes: Arc::clone(processes),
            autoscaler,
            target,
        })
    }

    /// Does `work`, in which replicas are started, and leaves none behind: they are ended when it has ended, and killed
    /// when it panics.
    pub(crate) async fn during<T>(
        &self,
        work: impl Future<Output = Result<T, DemoError>>,
    ) -> Result<T, DemoError> {
        let _last_resort = KillOnPanic(&self.processes);
        let done = work.await;
        self.end().await?;
        done
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
            .filter_map(|replica| replica.address.url().cloned())
            .collect()
    }

    /// Ends all replicas.
    async fn end(&self) -> Result<(), ScalingError> {
        Ok(self.processes.stop_all(&self.target, SystemClock.now()).await?)
    }
}

/// Kills the replicas when it is dropped by a panic.
struct KillOnPanic<'a>(&'a ProcessActuator);

impl Drop for KillOnPanic<'_> {
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

#[cfg(test)]
mod tests {
    use std::{env, fs, process::Command, time::Duration};

    use headroom_test_support::{LeftoverCheck, temp_dir, wait_until};

    use super::*;

    /// Names the directory to a process that is to panic in it.
    const PANICS_IN: &str = "HEADROOM_TEST_PANICS_IN";
    /// Says in its directory that it runs, and does not end by itself.
    const POLICY: &str = r#"
        [workload.web]
        min_replicas = 3
        max_replicas = 3
        process = { command = ["sh", "-c", "echo runs >> DIRECTORY/runs; exec sleep 600"] }
        metrics.load = { scrape = "load", per_replica = 1 }
    "#;

    #[test]
    fn a_panic_leaves_no_process_behind() {
        if let Some(directory) = env::var_os(PANICS_IN) {
            return panics(Path::new(&directory));
        }
        let directory = temp_dir();
        let mark = LeftoverCheck::new();
        let mut itself = Command::new(env::current_exe().unwrap());
        itself
            .args([
                "--exact",
                "demo::scaling::tests::a_panic_leaves_no_process_behind",
            ])
            .env(PANICS_IN, directory.path());
        let output = mark.mark(&mut itself).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            !output.status.success() && said.contains("as it was asked to"),
            "{said}"
        );
        mark.assert_none(Duration::from_secs(5));
    }

    fn panics(directory: &Path) {
        let policy = directory.join("headroom.toml");
        fs::write(
            &policy,
            POLICY.replace("DIRECTORY", &directory.display().to_string()),
        )
        .unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        let scaling = Scaling::start(&policy, directory.join("state"), None).unwrap();
        let work = async {
            scaling.pass().await;
            wait_until(Duration::from_secs(60), "all replicas run", async || {
                let runs = fs::read_to_string(directory.join("runs")).unwrap_or_default();
                runs.lines().count() == 3
            })
            .await;
            panic!("as it was asked to");
        };
        let ended: Result<(), _> = runtime.block_on(scaling.during(work));
        ended.unwrap();
    }
}
