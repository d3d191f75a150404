//! Past decisions, as they are read: for `history`, `explain` and `status`.

use headroom_policy_engine::{Timestamp, WorkloadId};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{Intent, RowId, Store, StoreError, intents, millis};
use crate::DecisionRecord;

/// So many rows are in memory at a time where all of a while are read.
const AT_A_TIME: u32 = 500;

/// Which decisions are asked for. The newest come first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Those about this workload; `None`: about any.
    pub workload: Option<WorkloadId>,
    /// Those last seen then or later.
    pub since: Option<Timestamp>,
    /// At most so many rows.
    pub limit: u32,
}

/// Past decisions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The rows, newest first.
    pub rows: Vec<HistoryRow>,
    /// How many rows there are beside them that this headroom cannot read, because another version wrote them.
    pub unreadable: usize,
}

/// A decision, and how often it was made again right after.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryRow {
    /// Its number. Higher ones began later.
    pub id: i64,
    /// When it was made first.
    pub first_at: Timestamp,
    /// When it was made last.
    pub last_at: Timestamp,
    /// How often it was made in a row. At least 1.
    pub count: u64,
    /// The decision, with the inputs of the last time.
    pub record: DecisionRecord,
}

/// What the state knows of one workload.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadStatus {
    /// Which workload.
    pub workload: WorkloadId,
    /// Its newest decision that can be read.
    pub latest: Option<HistoryRow>,
    /// A change of which nobody has learned yet whether it was written.
    pub intent: Option<Intent>,
}

impl Store {
    /// Past decisions.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn history(&self, query: &HistoryQuery) -> Result<History, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT id, first_at, last_at, count, record FROM history
             WHERE (?1 IS NULL OR workload = ?1) AND last_at >= ?2 ORDER BY id DESC LIMIT ?3",
        )?;
        let workload = query.workload.as_ref().map(WorkloadId::as_str);
        let since = millis(query.since.unwrap_or(Timestamp::MIN));
        let mut found = statement.query(params![workload, since, query.limit])?;
        let mut history = History::default();
        while let Some(row) = found.next()? {
            match read(row)? {
                Some(row) => history.rows.push(row),
                None => history.unreadable += 1,
            }
        }
        Ok(history)
    }

    /// Gives `each` the decisions that were seen at `since` or later, the older ones first, without holding up whoever
    /// decides. Those that this headroom cannot read are left out.
    pub(crate) fn each_decision(
        &self,
        since: Timestamp,
        mut each: impl FnMut(&HistoryRow),
    ) -> Result<(), StoreError> {
        let mut last = i64::MIN;
        loop {
            let rows = self.reading(|connection| decisions_after(connection, last, since))?;
            let Some((newest, _)) = rows.last() else {
                return Ok(());
            };
            last = *newest;
            rows.iter()
                .filter_map(|(_, row)| row.as_ref())
                .for_each(&mut each);
        }
    }

    /// The newest decision about `workload` that can be read; `None` where there is none.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn latest(&self, workload: &WorkloadId) -> Result<Option<HistoryRow>, StoreError> {
        latest(&self.connection(), workload)
    }

    /// The decision in one row; `None` where there is none that can be read.
    pub(crate) fn decided(&self, row: RowId) -> Result<Option<DecisionRecord>, StoreError> {
        record(&self.connection(), row)
    }

    /// What the state knows of each workload, by identity.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn status(&self) -> Result<Vec<WorkloadStatus>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT id FROM workload ORDER BY id")?;
        let ids: Vec<String> = statement
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let known = ids.iter().filter_map(|id| id.parse::<WorkloadId>().ok());
        known
            .map(|workload| {
                Ok(WorkloadStatus {
                    latest: latest(&connection, &workload)?,
                    intent: intents::load(&connection, &workload)?.map(|open| open.intent),
                    workload,
                })
            })
            .collect()
    }
}

fn latest(connection: &Connection, workload: &WorkloadId) -> Result<Option<HistoryRow>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, first_at, last_at, count, record FROM history WHERE workload = ?1 ORDER BY id DESC LIMIT 10",
    )?;
    let mut found = statement.query([workload.as_str()])?;
    while let Some(row) = found.next()? {
        if let Some(row) = read(row)? {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

/// The next rows after the row `last`, each with its number.
fn decisions_after(
    connection: &Connection,
    last: i64,
    since: Timestamp,
) -> Result<Vec<(i64, Option<HistoryRow>)>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, first_at, last_at, count, record FROM history
         WHERE id > ?1 AND last_at >= ?2 ORDER BY id LIMIT ?3",
    )?;
    let mut found = statement.query(params![last, millis(since), AT_A_TIME])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        rows.push((row.get(0)?, read(row)?));
    }
    Ok(rows)
}

/// One row; `None` when its record is none this headroom can read.
fn read(row: &Row<'_>) -> Result<Option<HistoryRow>, StoreError> {
    let Ok(record) = serde_json::from_str(row.get_ref(4)?.as_str().unwrap_or_default()) else {
        return Ok(None);
    };
    Ok(Some(HistoryRow {
        id: row.get(0)?,
        first_at: Timestamp::from_unix_millis(row.get(1)?),
        last_at: Timestamp::from_unix_millis(row.get(2)?),
        count: u64::try_from(row.get::<_, i64>(3)?).unwrap_or(1),
        record,
    }))
}

/// The record in one row, for changing it.
pub(super) fn record(connection: &Connection, row: RowId) -> Result<Option<DecisionRecord>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT record FROM decision WHERE id = ?1")?;
    let text: Option<String> = statement.query_row([row.0], |row| row.get(0)).optional()?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}
