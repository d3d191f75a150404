//! Deployments under the same load side by side: one of each pair scaled by the HPA, its twins by headroom.
//!
//! Owns what happens when, and what became of it. A load is given as the replicas that it is worth: so much that this count
//! is right from wherever it is come to, by the arithmetic of the HPA and its tolerance of 10 %. So the count that each phase
//! settles at is known beforehand, and whoever settles at another is wrong.

mod audit;
mod outcome;
mod phase;
mod team;

use std::{
    path::PathBuf,
    time::{Duration, Instant, SystemTime},
};

use futures::future::join_all;

pub use self::{
    outcome::{Change, Disagreement, Outcome, PhaseOutcome, Reaction, Write},
    phase::{Act, Phase},
    team::Scaler,
};
use self::{phase::quiet, team::Team};
use crate::{
    cluster::{Cluster, HpaController},
    wait_until,
};

/// How often counts are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What is to be compared.
#[derive(Clone, Debug)]
pub struct SideBySide {
    /// The `headroom` program.
    pub program: PathBuf,
    /// How many pairs.
    pub pairs: usize,
    /// Who takes part. The HPA is what others are compared with.
    pub scalers: Vec<Scaler>,
    /// What happens, in this order.
    pub phases: Vec<Phase>,
    /// What the HPA of the cluster is told; headroom is told the same.
    pub controller: HpaController,
    /// How long each phase goes on at least after its last act, so that whoever moves late is seen.
    pub dwell: Duration,
    /// How long each phase may take to settle, after its last act.
    pub patience: Duration,
}

/// What is going on.
#[derive(Clone, Debug)]
pub struct Progress {
    /// In which phase; `None` before the first.
    pub phase: Option<Phase>,
    /// For how long already.
    pub elapsed: Duration,
    /// How many replicas each team is to have in all, and how many it should come to.
    pub replicas: Vec<(Scaler, u32, u32)>,
}

impl SideBySide {
    /// Runs it, and tells `progress` now and then what is going on.
    ///
    /// Writes and requests are known only of a cluster with an audit log.
    ///
    /// # Panics
    ///
    /// When the cluster does not do what is asked of it, or headroom ends.
    pub async fn run(&self, cluster: &Cluster, progress: &mut (dyn FnMut(Progress) + Send)) -> Outcome {
        let teams = self
            .scalers
            .iter()
            .map(|&scaler| Team::new(cluster, scaler, self));
        let mut running = Running {
            cluster,
            dwell: self.dwell,
            patience: self.patience,
            teams: join_all(teams).await,
            worth: (0..self.pairs).map(quiet).collect(),
            began: Instant::now(),
            changes: Vec::new(),
        };
        running.begin(progress).await;
        let (started, began) = (SystemTime::now(), Instant::now());
        running.began = began;
        let begins = running.counts().await;
        let mut phases = Vec::new();
        for &phase in &self.phases {
            phases.push(running.play(phase, progress).await);
        }
        let took = began.elapsed();
        let accounts: Vec<_> = running.teams.iter().map(Team::account).collect();
        let log = cluster.audit_log();
        let (writes, requests) = audit::read(&log, started, took, &accounts);
        Outcome {
            pairs: self.pairs,
            interval: self.controller.sync_period,
            took,
            begins,
            phases,
            changes: running.changes,
            writes,
            requests,
        }
    }
}

/// What is under way.
struct Running<'c> {
    cluster: &'c Cluster,
    dwell: Duration,
    patience: Duration,
    teams: Vec<Team<'c>>,
    /// How many replicas the load of each pair is worth now.
    worth: Vec<u32>,
    began: Instant,
    changes: Vec<Change>,
}

impl Running<'_> {
    /// Waits until every pod is measured, and every team has come to what the load is worth at first.
    async fn begin(&mut self, progress: &mut (dyn FnMut(Progress) + Send)) {
        let began = Instant::now();
        for team in &self.teams {
            wait_until(self.patience, "every pod is measured", async || {
                team.is_measured().await
            })
            .await;
        }
        self.settle(None, began, progress).await;
    }

    async fn play(&mut self, phase: Phase, progress: &mut (dyn FnMut(Progress) + Send)) -> PhaseOutcome {
        let began = Instant::now();
        let from = self.began.elapsed();
        for (after, act) in phase.script(self.worth.len()) {
            tokio::time::sleep_until((began + after).into()).await;
            self.act(act).await;
        }
        let settled = self.settle(Some(phase), began, progress).await;
        PhaseOutcome {
            phase,
            from,
            until: self.began.elapsed(),
            expected: self.worth.clone(),
            settled,
        }
    }

    async fn act(&mut self, act: Act) {
        match act {
            Act::Load { pair, replicas } => {
                self.worth[pair] = replicas;
                self.changes.push(Change {
                    at: self.began.elapsed(),
                    pair,
                    replicas,
                });
                join_all(self.teams.iter().map(|team| team.load(pair, replicas))).await;
            }
            Act::Rollout { pair } => {
                join_all(self.teams.iter().map(|team| team.roll_out(pair))).await;
            }
            Act::MetricsGone => self.cluster.cut_metrics().await,
            Act::MetricsBack => self.cluster.restore_metrics().await,
        }
    }

    /// Waits until every team has come to what the load is worth, or patience is at its end; and says what each came to.
    async fn settle(
        &mut self,
        phase: Option<Phase>,
        began: Instant,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Vec<(Scaler, Vec<u32>)> {
        let since = Instant::now();
        loop {
            let counts = self.counts().await;
            let right =
                |(_, counts): &(Scaler, Vec<u32>)| counts.iter().zip(&self.worth).all(|(a, b)| a == b);
            let dwell = if phase.is_some() {
                self.dwell
            } else {
                Duration::ZERO
            };
            if (counts.iter().all(right) && since.elapsed() >= dwell) || since.elapsed() >= self.patience {
                return counts;
            }
            progress(Progress {
                phase,
                elapsed: began.elapsed(),
                replicas: counts
                    .iter()
                    .map(|(scaler, counts)| {
                        let wanted = self.worth.iter().take(counts.len()).sum();
                        (*scaler, counts.iter().sum(), wanted)
                    })
                    .collect(),
            });
            for team in &mut self.teams {
                team.fail_if_ended();
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn counts(&self) -> Vec<(Scaler, Vec<u32>)> {
        let each = self
            .teams
            .iter()
            .map(async |team| (team.scaler(), team.counts().await));
        join_all(each).await
    }
}
