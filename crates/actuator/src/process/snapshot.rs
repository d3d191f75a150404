//! Which processes belong to which replica, at one moment.
//!
//! A replica is a session leader with a mark in its environment. What it starts is found by its session, and, where it
//! left that, by the mark it inherited. What bears no mark of ours and is in no session of ours is never touched.

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use headroom_policy_engine::WorkloadId;

use super::{
    kernel::{ProcessIdentity, Shown, Stat, running},
    spawn::Mark,
    table::Replica,
};

/// How long a process may take to become another program before it is passed over.
const PATIENCE: Duration = Duration::from_secs(1);
/// The pause between two looks.
const INTERVAL: Duration = Duration::from_millis(1);

/// All processes, with the marks they bear.
#[derive(Debug)]
pub(super) struct Snapshot(Vec<(Stat, Option<Mark>)>);

impl Snapshot {
    /// Lists all processes, and waits for those to show themselves that are just becoming another program.
    pub(super) fn take() -> io::Result<Self> {
        let end = Instant::now() + PATIENCE;
        loop {
            let mut is_complete = true;
            let mut processes = Vec::new();
            for stat in running()? {
                let (environment, shown) = stat.environment();
                is_complete &= shown == Shown::Finally;
                processes.push((stat, Mark::of(&environment)));
            }
            if is_complete || Instant::now() >= end {
                return Ok(Self(processes));
            }
            thread::sleep(INTERVAL);
        }
    }

    /// The processes of `replica`: itself and what it started, as far as they still run.
    pub(super) fn members(&self, replica: &Replica, boot: &str) -> Vec<Stat> {
        // Sessions and groups are named by the id of their leader, so they count only with the very leader there. One
        // that has ended and was not reaped is.
        let leader = replica.process.boot == boot && replica.process.holds_its_id();
        let is_member = |(stat, mark): &(Stat, Option<Mark>)| {
            let in_session = leader && stat.session == replica.process.pid;
            in_session || mark.as_ref().is_some_and(|mark| mark.id == replica.id)
        };
        self.0
            .iter()
            .filter(|process| is_member(process))
            .map(|(stat, _)| *stat)
            .collect()
    }

    /// The processes that bear a mark of this workload and state, or of what they started.
    pub(super) fn marked<'s>(
        &'s self,
        workload: &WorkloadId,
        state: &Path,
    ) -> impl Iterator<Item = (&'s Stat, &'s Mark)> {
        let marked = self
            .0
            .iter()
            .filter_map(|(stat, mark)| Some((stat, mark.as_ref()?)));
        marked.filter(move |(_, mark)| mark.is_of(workload, state))
    }

    /// The replicas of this workload and state, recorded or not.
    ///
    /// A child may have made itself a leader and inherited the mark; the eldest of an id is the replica.
    pub(super) fn replicas(
        &self,
        workload: &WorkloadId,
        state: &Path,
        boot: &str,
    ) -> Vec<(ProcessIdentity, &Mark)> {
        let mut eldest: BTreeMap<&str, (&Stat, &Mark)> = BTreeMap::new();
        let leaders = self
            .marked(workload, state)
            .filter(|(stat, _)| stat.session == stat.pid);
        for (stat, mark) in leaders {
            let found = eldest.entry(&mark.id).or_insert((stat, mark));
            if stat.start_ticks < found.0.start_ticks {
                *found = (stat, mark);
            }
        }
        let mut replicas: Vec<(&Stat, &Mark)> = eldest.into_values().collect();
        replicas.sort_by_key(|(stat, _)| (stat.start_ticks, stat.pid));
        let identity = |stat: &Stat| ProcessIdentity {
            pid: stat.pid,
            start_ticks: stat.start_ticks,
            boot: boot.to_owned(),
        };
        replicas
            .into_iter()
            .map(|(stat, mark)| (identity(stat), mark))
            .collect()
    }
}
