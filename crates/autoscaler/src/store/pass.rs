//! What a pass reads from the state and the two transactions in which it writes: before the targets are written to,
//! and after.

use std::{fmt::Write as _, sync::Arc};

use headroom_policy_engine::{Memory, Outcome, Timestamp, WorkloadId};
use rusqlite::{
    Connection, OptionalExtension as _, params,
    types::{ToSql, ToSqlOutput, ValueRef},
};

use super::{
    Store, StoreError, Told, brake, history, intents, intents::OpenIntent, millis, outbox, retention,
};
use crate::{DecisionRecord, Notice, Tripped, Verdict, notify::Incidents};

/// The bytes that most memories and most records fit into, so that writing one takes one allocation.
const USUAL_MEMORY: usize = 1024;
const USUAL_RECORD: usize = 2048;

/// A row of the table of decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowId(pub(super) i64);

/// The newest row of a workload, and what a decision must have in common with it to extend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LastRow {
    pub(crate) id: RowId,
    pub(crate) key: Vec<u8>,
}

/// What the state knows of one workload.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Remembered {
    pub(crate) memory: Memory,
    /// What identifies the target that the memory is of, where something does.
    pub(crate) target: Option<Arc<str>>,
    /// What goes on with it that people are told of, as it was last recorded.
    pub(crate) incidents: Incidents,
    pub(crate) last: Option<LastRow>,
    pub(crate) intent: Option<OpenIntent>,
}

/// One decision on its way to the state, before its target is written to.
#[derive(Debug)]
pub(crate) struct Decided<'p> {
    pub(crate) record: &'p DecisionRecord,
    /// The memory after the decision; `None` where none was made, so that nothing changed.
    pub(crate) memory: Option<&'p Memory>,
    /// What identifies the target, where something does.
    pub(crate) target: Option<&'p str>,
    /// What goes on with it that people are told of, where that has changed.
    pub(crate) incidents: Option<&'p str>,
    pub(crate) last: Option<&'p LastRow>,
    /// Whether the decision is about to be written to the target.
    pub(crate) is_intent: bool,
    /// An earlier intent that the target has settled.
    pub(crate) settled: Option<(OpenIntent, Outcome)>,
}

/// What became of a write.
#[derive(Debug)]
pub(crate) struct Finished<'p> {
    pub(crate) record: &'p DecisionRecord,
    pub(crate) memory: &'p Memory,
    /// What goes on with it that people are told of, where that has changed.
    pub(crate) incidents: Option<&'p str>,
    pub(crate) row: RowId,
}

impl Store {
    /// What is remembered of `workload`. A memory that cannot be read is none, and says so.
    pub(crate) fn remembered(
        &self,
        workload: &WorkloadId,
    ) -> Result<(Remembered, Option<Notice>), StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT last_decision, last_key, target, incidents, memory FROM workload WHERE id = ?1",
        )?;
        let found = statement
            .query_row([workload.as_str()], |row| {
                let last: Option<i64> = row.get(0)?;
                let key: Option<Vec<u8>> = row.get(1)?;
                let target: Option<Arc<str>> = row.get(2)?;
                let incidents = Incidents::read(row.get_ref(3)?.as_str_or_null().ok().flatten());
                let memory = decode(row.get_ref(4)?.as_blob().unwrap_or_default());
                Ok((last, key, target, incidents, memory))
            })
            .optional()?;
        let mut remembered = Remembered {
            intent: intents::load(&connection, workload)?,
            ..Remembered::default()
        };
        let Some((last, key, target, incidents, memory)) = found else {
            return Ok((remembered, None));
        };
        remembered.target = target;
        remembered.incidents = incidents;
        remembered.last = last.zip(key).map(|(id, key)| LastRow { id: RowId(id), key });
        let notice = match memory {
            Ok(memory) => {
                remembered.memory = memory;
                None
            }
            Err(reason) => Some(Notice::MemorySetAside {
                workload: workload.clone(),
                reason,
            }),
        };
        Ok((remembered, notice))
    }

    /// Keeps the memories of these workloads aside, because they cannot be read and are about to be replaced.
    pub(crate) fn set_memories_aside(&self, unreadable: &[Notice], now: Timestamp) -> Result<(), StoreError> {
        self.transaction(|transaction| {
            for notice in unreadable {
                if let Notice::MemorySetAside { workload, reason } = notice {
                    transaction.execute(
                        "INSERT INTO memory_aside (workload, at, reason, memory)
                         SELECT id, ?2, ?3, memory FROM workload WHERE id = ?1",
                        params![workload.as_str(), millis(now), reason],
                    )?;
                    transaction.execute(
                        "UPDATE workload SET memory = x'' WHERE id = ?1",
                        [workload.as_str()],
                    )?;
                }
            }
            Ok(())
        })
    }

    /// Records what was decided, what is about to be written and what people are told of it, in one transaction. Returns
    /// the newest row of each.
    pub(crate) fn record_decided(
        &self,
        decided: &[Decided<'_>],
        readings: Option<&[u8]>,
        tripped: Option<Tripped>,
        told: &Told<'_>,
        now: Timestamp,
    ) -> Result<Vec<LastRow>, StoreError> {
        self.transaction(|transaction| {
            let mut rows = Vec::with_capacity(decided.len());
            for decided in decided {
                rows.push(record_one(transaction, decided)?);
            }
            if let Some(readings) = readings {
                transaction
                    .prepare_cached("INSERT OR REPLACE INTO readings (id, body) VALUES (1, ?1)")?
                    .execute([readings])?;
            }
            if let Some(tripped) = tripped {
                brake::save(transaction, &tripped)?;
            }
            outbox::tell(transaction, told, now)?;
            retention::prune(transaction, self.history, now)?;
            Ok(rows)
        })
    }

    /// Records what became of writes and what people are told of it, in one transaction.
    pub(crate) fn record_finished(
        &self,
        finished: &[Finished<'_>],
        told: &Told<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.transaction(|transaction| {
            for finished in finished {
                let id = &finished.record.workload;
                transaction
                    .prepare_cached(
                        "UPDATE workload SET memory = ?2, incidents = coalesce(?3, incidents) WHERE id = ?1",
                    )?
                    .execute(params![id.as_str(), encode(finished.memory)?, finished.incidents])?;
                transaction
                    .prepare_cached("UPDATE decision SET record = ?2 WHERE id = ?1")?
                    .execute(params![finished.row.0, json(finished.record)?])?;
                if finished.record.is_settled() {
                    intents::remove(transaction, id)?;
                }
            }
            outbox::tell(transaction, told, now)
        })
    }
}

fn record_one(transaction: &Connection, decided: &Decided<'_>) -> Result<LastRow, StoreError> {
    let record = decided.record;
    if let Some((open, outcome)) = &decided.settled {
        intents::remove(transaction, &record.workload)?;
        settle_row(transaction, open, *outcome)?;
    }
    let key = key(record, decided.is_intent);
    if let Some(last) = decided.last
        // An empty key extends nothing: each change that is to be written is a row of its own.
        && !key.is_empty()
        && last.key == key
        && extend(transaction, last.id, decided)?
    {
        return Ok(LastRow { id: last.id, key });
    }
    complete_last_row(transaction, &record.workload)?;
    let id = insert(transaction, record)?;
    if decided.is_intent
        && let Some(decision) = record.decision()
    {
        intents::save(transaction, &record.workload, record.at, id, decision)?;
    }
    remember(transaction, id, &key, decided)?;
    Ok(LastRow { id, key })
}

/// The row of a settled intent says what became of it.
fn settle_row(transaction: &Connection, open: &OpenIntent, settled: Outcome) -> Result<(), StoreError> {
    let Some(mut record) = history::record(transaction, open.row)? else {
        return Ok(());
    };
    if let Verdict::Decided { outcome, error, .. } = &mut record.verdict {
        *outcome = settled;
        if settled == Outcome::Written {
            *error = None;
        }
    }
    transaction
        .prepare_cached("UPDATE decision SET record = ?2 WHERE id = ?1")?
        .execute(params![open.row.0, json(&record)?])?;
    Ok(())
}

/// Counts the decision onto `row`, with its inputs. False when it is not, or no longer, the newest row of the workload.
fn extend(transaction: &Connection, row: RowId, decided: &Decided<'_>) -> Result<bool, StoreError> {
    let record = decided.record;
    let changed = transaction
        .prepare_cached(
            "UPDATE workload SET last_at = ?3, count = coalesce(count, 1) + 1, record = ?4, memory = coalesce(?5, memory),
                 target = coalesce(?6, target), incidents = coalesce(?7, incidents)
             WHERE id = ?1 AND last_decision = ?2",
        )?
        .execute(params![
            record.workload.as_str(),
            row.0,
            millis(record.at),
            json(record)?,
            decided.memory.map(encode).transpose()?,
            decided.target,
            decided.incidents
        ])?;
    Ok(changed == 1)
}

/// Lets the newest row of `workload` say how often its decision was made, because another one follows.
fn complete_last_row(transaction: &Connection, workload: &WorkloadId) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "UPDATE decision SET last_at = newest.last_at, count = newest.count, record = newest.record
             FROM workload AS newest
             WHERE newest.id = ?1 AND decision.id = newest.last_decision AND newest.record IS NOT NULL",
        )?
        .execute([workload.as_str()])?;
    Ok(())
}

fn insert(transaction: &Connection, record: &DecisionRecord) -> Result<RowId, StoreError> {
    let id = transaction
        .prepare_cached(
            "INSERT INTO decision (workload, first_at, last_at, count, record) VALUES (?1, ?2, ?2, 1, ?3)",
        )?
        .insert(params![
            record.workload.as_str(),
            millis(record.at),
            json(record)?
        ])?;
    Ok(RowId(id))
}

fn remember(
    transaction: &Connection,
    row: RowId,
    key: &[u8],
    decided: &Decided<'_>,
) -> Result<(), StoreError> {
    let workload = &decided.record.workload;
    let memory = decided.memory.map(encode).transpose()?;
    let changed = transaction
        .prepare_cached(
            "UPDATE workload SET last_decision = ?2, last_key = ?3, last_at = NULL, count = NULL, record = NULL,
                 memory = coalesce(?4, memory), target = coalesce(?5, target), incidents = coalesce(?6, incidents)
             WHERE id = ?1",
        )?
        .execute(params![workload.as_str(), row.0, key, memory, decided.target, decided.incidents])?;
    if changed == 0 {
        let memory = memory.map_or_else(|| encode(&Memory::default()), Ok)?;
        transaction
            .prepare_cached(
                "INSERT INTO workload (id, last_decision, last_key, memory, target, incidents)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                workload.as_str(),
                row.0,
                key,
                memory,
                decided.target,
                decided.incidents
            ])?;
    }
    Ok(())
}

/// What two decisions must have in common to be one row: result, reason, kinds of steps, conditions, holds, what is in
/// force, and the answers where another scaler is compared with. Empty for a change that is to be written.
fn key(record: &DecisionRecord, is_intent: bool) -> Vec<u8> {
    match &record.verdict {
        Verdict::Decided { .. } if is_intent => Vec::new(),
        Verdict::Decided {
            target,
            decision,
            explanation,
            error,
            ..
        } => {
            let mut key = format!("{:?} {decision:?} ", record.mode);
            for step in &explanation.0 {
                key.push_str(step.code());
                key.push(' ');
            }
            for condition in &record.conditions {
                key.push_str(condition.code());
                key.push(' ');
            }
            for hold in target.holds.iter().filter(|hold| hold.is_in_force(record.at)) {
                key.push_str(hold.reason().code());
                key.push(if hold.is_blind() { '?' } else { ' ' });
            }
            for one in &record.in_force {
                // Writing to a string cannot fail.
                let _ = write!(key, "{:?} {:?} ", one.by, one.bounds);
            }
            for other in &record.beside {
                let _ = write!(key, "{:?} {:?} ", other.wants, record.own_answer());
            }
            key.push_str(error.as_deref().unwrap_or_default());
            key.into_bytes()
        }
        Verdict::Unreadable { error } => format!("unreadable {error}").into_bytes(),
    }
}

fn encode(memory: &Memory) -> Result<Vec<u8>, StoreError> {
    postcard::to_extend(memory, Vec::with_capacity(USUAL_MEMORY)).map_err(|error| StoreError::Encode {
        what: "a memory",
        reason: error.to_string(),
    })
}

/// A memory that was set aside leaves an empty one behind.
fn decode(bytes: &[u8]) -> Result<Memory, String> {
    if bytes.is_empty() {
        return Ok(Memory::default());
    }
    match postcard::take_from_bytes(bytes) {
        Ok((memory, [])) => Ok(memory),
        Ok((_, rest)) => Err(format!("{} bytes too many", rest.len())),
        Err(error) => Err(error.to_string()),
    }
}

fn json(record: &DecisionRecord) -> Result<Json, StoreError> {
    let mut text = Vec::with_capacity(USUAL_RECORD);
    match serde_json::to_writer(&mut text, record) {
        Ok(()) => Ok(Json(text)),
        Err(error) => Err(StoreError::Encode {
            what: "a decision",
            reason: error.to_string(),
        }),
    }
}

/// A JSON text for a column.
struct Json(Vec<u8>);

impl ToSql for Json {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(&self.0)))
    }
}
