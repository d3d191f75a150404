//! Tables of processes in memory and in files.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write as _},
    path::PathBuf,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use headroom_policy_engine::WorkloadId;

use crate::{BoxError, ProcessRecords, ProcessTable};

/// Tables that last as long as the value.
#[derive(Debug, Default)]
pub struct MemoryRecords {
    tables: Mutex<BTreeMap<WorkloadId, ProcessTable>>,
    is_broken: AtomicBool,
}

impl MemoryRecords {
    /// The table as it was saved last.
    pub fn get(&self, workload: &WorkloadId) -> Option<ProcessTable> {
        self.tables().get(workload).cloned()
    }

    /// Puts the table back to what it was, or to never saved: what a crash would have left.
    pub fn put(&self, workload: &WorkloadId, table: Option<ProcessTable>) {
        match table {
            Some(table) => self.tables().insert(workload.clone(), table),
            None => self.tables().remove(workload),
        };
    }

    /// From now on saving fails.
    pub fn break_saving(&self) {
        self.is_broken.store(true, Ordering::SeqCst);
    }

    /// From now on saving works again.
    pub fn mend_saving(&self) {
        self.is_broken.store(false, Ordering::SeqCst);
    }

    fn tables(&self) -> MutexGuard<'_, BTreeMap<WorkloadId, ProcessTable>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProcessRecords for MemoryRecords {
    fn load(&self, workload: &WorkloadId) -> Result<Option<ProcessTable>, BoxError> {
        Ok(self.get(workload))
    }

    fn save(&self, workload: &WorkloadId, table: &ProcessTable) -> Result<(), BoxError> {
        if self.is_broken.load(Ordering::SeqCst) {
            return Err("the disk is full".into());
        }
        self.put(workload, Some(table.clone()));
        Ok(())
    }
}

/// Tables in files of a directory, one each, which another process finds.
#[derive(Debug)]
pub struct FileRecords {
    directory: PathBuf,
}

impl FileRecords {
    /// Keeps the files in `directory`, which is there.
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    fn path(&self, workload: &WorkloadId) -> PathBuf {
        self.directory
            .join(format!("{}.json", workload.as_str().replace('/', ".")))
    }
}

impl ProcessRecords for FileRecords {
    fn load(&self, workload: &WorkloadId) -> Result<Option<ProcessTable>, BoxError> {
        match fs::read(self.path(workload)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn save(&self, workload: &WorkloadId, table: &ProcessTable) -> Result<(), BoxError> {
        let path = self.path(workload);
        let written = path.with_extension("new");
        let mut file = File::create(&written)?;
        file.write_all(&serde_json::to_vec(table)?)?;
        file.sync_all()?;
        Ok(fs::rename(written, path)?)
    }
}
