//! One target with real processes, none of which outlives the test.

use std::{cell::Cell, fs, path::PathBuf, sync::Arc, thread, time::Duration};

use headroom_actuator::{
    Actuator, ProcessActuator, ProcessRecords, ProcessTable, ProcessTarget, ReadyCheck, ScaleTarget,
    TargetError, TargetReader, TargetState, testing::MemoryRecords,
};
use headroom_policy_engine::{Replicas, Timestamp, WorkloadId};
use headroom_test_support::{LeftoverCheck, wait_until};
use serde_json::Value;
use tempfile::TempDir;

/// How long a test waits for what takes milliseconds on an idle machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
/// A replica that does nothing, in one process.
pub(crate) const IDLE: &str = "exec sleep 600";

pub(crate) struct World {
    pub(crate) records: Arc<MemoryRecords>,
    pub(crate) actuator: ProcessActuator,
    pub(crate) target: ProcessTarget,
    pub(crate) now: Cell<Timestamp>,
    pub(crate) leftovers: LeftoverCheck,
    pub(crate) directory: TempDir,
}

impl World {
    /// A target whose replicas run `script`.
    pub(crate) fn running(script: &str) -> Self {
        let leftovers = LeftoverCheck::new();
        let directory = headroom_test_support::temp_dir();
        let (name, value) = leftovers.variable();
        let target = ProcessTarget {
            workload: id("shop/web"),
            command: ["sh", "-c", script].map(str::to_owned).to_vec(),
            directory: directory.path().to_owned(),
            environment: [(name.to_owned(), value.to_owned())].into(),
            ready: ReadyCheck::Alive,
            drain: Duration::from_secs(10),
            log_directory: directory.path().join("logs"),
        };
        let records = Arc::new(MemoryRecords::default());
        Self {
            actuator: ProcessActuator::new(Arc::clone(&records) as _),
            records,
            target,
            now: Cell::new(Timestamp::from_unix_millis(1_700_000_000_000)),
            leftovers,
            directory,
        }
    }

    pub(crate) fn scale_target(&self) -> ScaleTarget {
        ScaleTarget::Process(Arc::new(self.target.clone()))
    }

    /// Another headroom takes over: nothing is left of this one but the records and the replicas.
    pub(crate) fn restart(&mut self) {
        self.restart_with(Arc::clone(&self.records) as _);
    }

    pub(crate) fn restart_with(&mut self, records: Arc<dyn ProcessRecords>) {
        self.actuator = ProcessActuator::new(records);
    }

    pub(crate) fn pass(&self, span: Duration) {
        self.now.set(self.now.get().plus(span));
    }

    pub(crate) async fn tend(&self) -> Result<(), TargetError> {
        self.actuator.tend(&self.scale_target(), self.now.get()).await
    }

    pub(crate) async fn set(&self, from: u32, to: u32) -> Result<(), TargetError> {
        let (from, to) = (Replicas::new(from), Replicas::new(to));
        self.actuator
            .set_replicas(&self.scale_target(), from, to, self.now.get())
            .await
    }

    pub(crate) async fn read(&self) -> TargetState {
        read(&self.actuator, &self.scale_target(), self.now.get())
            .await
            .unwrap()
    }

    /// The table as it was saved, as JSON.
    pub(crate) fn table(&self) -> Value {
        serde_json::to_value(self.records.get(&self.target.workload).unwrap()).unwrap()
    }

    pub(crate) fn put_table(&self, table: &Value) {
        let table: ProcessTable = serde_json::from_value(table.clone()).unwrap();
        self.records.put(&self.target.workload, Some(table));
    }

    /// The recorded process ids of the wanted replicas, by slot.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let table = self.table();
        let slots = table["slots"].as_array().unwrap().iter();
        slots
            .filter_map(|slot| slot["replica"]["process"]["pid"].as_u64())
            .map(|pid| pid.try_into().unwrap())
            .collect()
    }

    pub(crate) fn draining_pids(&self) -> Vec<u32> {
        let table = self.table();
        let draining = table["draining"].as_array().unwrap().iter();
        draining
            .map(|one| {
                one["replica"]["process"]["pid"]
                    .as_u64()
                    .unwrap()
                    .try_into()
                    .unwrap()
            })
            .collect()
    }

    /// All processes that came of the replicas and run.
    ///
    /// One that is just becoming another program shows no mark, so this looks again until there is none.
    pub(crate) fn running_pids(&self) -> Vec<u32> {
        loop {
            let seen = self.leftovers.pids();
            if !is_any_becoming() && self.leftovers.pids() == seen {
                return seen;
            }
            thread::yield_now();
        }
    }

    pub(crate) async fn wait_for_processes(&self, count: usize) {
        let what = format!("{count} processes run");
        wait_until(DEADLINE, &what, async || self.running_pids().len() == count).await;
    }

    /// What the replica in slot `number` wrote.
    pub(crate) fn log(&self, number: u32) -> String {
        fs::read_to_string(self.log_path(number)).unwrap_or_default()
    }

    pub(crate) fn log_path(&self, number: u32) -> PathBuf {
        self.target.log_directory.join(format!("shop.web-{number}.log"))
    }

    /// Waits until the replica in slot `number` has written `text`, such as that its trap is set.
    pub(crate) async fn wait_for_log(&self, number: u32, text: &str) {
        let what = format!("slot {number} writes {text}");
        wait_until(DEADLINE, &what, async || self.log(number).contains(text)).await;
    }

    /// Tends, as the clock stands, until `condition` holds.
    pub(crate) async fn tend_until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        wait_until(DEADLINE, what, async || {
            self.tend().await.unwrap();
            condition(self)
        })
        .await;
    }
}

impl Drop for World {
    /// Ends what is left, also what is just becoming another program and would be overlooked by its mark.
    fn drop(&mut self) {
        for pid in self.running_pids() {
            kill_if_there(pid);
        }
    }
}

pub(crate) fn id(text: &str) -> WorkloadId {
    text.parse().unwrap()
}

pub(crate) async fn read(
    reader: &dyn TargetReader,
    target: &ScaleTarget,
    now: Timestamp,
) -> Result<TargetState, TargetError> {
    reader.read(std::slice::from_ref(target), now).await.remove(0)
}

/// Whether the process has not ended. One that nobody has reaped has.
pub(crate) fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, fields)| !fields.starts_with('Z'))
}

/// Whether a process of this machine is between two programs, and has no environment to show.
fn is_any_becoming() -> bool {
    let is_becoming = |stat: &str| {
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        // It has no code. Threads of the kernel (0x200000) and processes that end (4) never have any.
        fields[23] == "0" && fields[6].parse::<u32>().unwrap() & 0x20_0004 == 0
    };
    let entries = fs::read_dir("/proc").unwrap();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let mut stats = pids.filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/stat")).ok());
    stats.any(|stat| is_becoming(&stat))
}

pub(crate) fn kill(pid: u32) {
    kill_process(pid).unwrap();
}

fn kill_if_there(pid: u32) {
    // An error means that it has just ended.
    let _ = kill_process(pid);
}

fn kill_process(pid: u32) -> rustix::io::Result<()> {
    let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL)
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
