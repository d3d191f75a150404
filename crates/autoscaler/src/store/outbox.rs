//! What people are told, in the state: put there with the decision that it is of, and kept until a channel took it.

use std::sync::{MutexGuard, PoisonError, atomic::Ordering};

use headroom_notifier::{
    EventKind, Notice, NoticeId, Receipt, Severity,
    delivery::{
        Addressed, Change, ChannelName, Outbox, OutboxError, Phase, Route, RowId, Standing, Thread, View,
        Waiting,
    },
};
use headroom_policy_engine::Timestamp;
use rusqlite::{
    Connection, OptionalExtension as _, Row, Transaction, params, params_from_iter, types::Value,
};
use serde::Serialize;
use tracing::error;

use super::{Durability, Store, StoreError, millis, open};

/// What a channel was told is remembered for so long after it ended, in milliseconds.
const REMEMBERED_FOR: i64 = 24 * 3600 * 1000;

/// What people are told of a pass. Nothing, by default.
#[derive(Clone, Copy, Default)]
pub(crate) struct Told<'p> {
    /// What is to be told, and by whom.
    pub(crate) notices: &'p [Addressed],
    /// Says what goes on with the fleet that people are told of, where that has changed. Asked within the transaction, so that
    /// what is recorded last is the newest.
    pub(crate) fleet_incidents: Option<&'p dyn Fn() -> Option<String>>,
}

impl Store {
    /// Records what people are told beside decisions, in one transaction.
    pub(crate) fn record_told(&self, told: &Told<'_>, now: Timestamp) -> Result<(), StoreError> {
        self.transaction(|transaction| tell(transaction, told, now))
    }

    /// What goes on with headroom itself that people are told of, as it was last recorded; `None` where nothing ever did.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn fleet_incidents(&self) -> Result<Option<String>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT body FROM fleet_incidents WHERE id = 1")?;
        Ok(statement.query_row([], |row| row.get(0)).optional()?)
    }

    /// The connection that reads what waits, in a transaction, so that what is read is of one moment.
    pub(super) fn reading<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.is_read_only() {
            return read(&self.connection());
        }
        let mut reader = self.reader()?;
        let Some((_, connection)) = reader.as_mut() else {
            return read(&self.connection());
        };
        let transaction = connection.transaction()?;
        read(&transaction)
    }

    /// The connection that reads, to the file as it is now.
    fn reader(&self) -> Result<MutexGuard<'_, Option<(u32, Connection)>>, StoreError> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let replaced = self.replaced.load(Ordering::Acquire);
        if reader.as_ref().is_none_or(|(of, _)| *of != replaced) {
            *reader = Some((replaced, open::reader(&self.dir)?));
        }
        Ok(reader)
    }
}

/// Records what people are told. Nothing is written where that is nothing.
pub(super) fn tell(transaction: &Transaction<'_>, told: &Told<'_>, now: Timestamp) -> Result<(), StoreError> {
    for addressed in told.notices {
        put(transaction, addressed, now)?;
    }
    if let Some(incidents) = told.fleet_incidents.and_then(|incidents| incidents()) {
        transaction
            .prepare_cached("INSERT OR REPLACE INTO fleet_incidents (id, body) VALUES (1, ?1)")?
            .execute([incidents])?;
    }
    Ok(())
}

/// So many notices wait; `None` where that cannot be read.
pub(super) fn count(connection: &Connection) -> Option<i64> {
    let count = connection.query_row("SELECT count(*) FROM outbox", [], |row| row.get(0));
    count.ok()
}

/// Says that what waited is in a file that was set aside.
pub(super) fn say_left_behind(notices: Option<i64>) {
    match notices {
        Some(0) => {}
        Some(notices) => error!(
            notices,
            "waited in the state that was set aside, and are not told"
        ),
        None => {
            error!(
                "what waited in the state that was set aside is not told; how much that is cannot be read"
            );
        }
    }
}

/// Forgets what was told about what has ended long ago.
pub(super) fn forget_threads(connection: &Connection, now: Timestamp) -> Result<(), StoreError> {
    connection.execute(
        "DELETE FROM outbox_thread WHERE open IS NULL AND last_at < ?1",
        [millis(now).saturating_sub(REMEMBERED_FOR)],
    )?;
    Ok(())
}

impl Outbox for Store {
    fn put(&self, notices: &[Addressed], now: Timestamp) -> Result<(), OutboxError> {
        let told = Told {
            notices,
            fleet_incidents: None,
        };
        Ok(self.record_told(&told, now)?)
    }

    fn view(&self, channel: &ChannelName) -> Result<View, OutboxError> {
        let view = self.reading(|connection| {
            Ok(View {
                waiting: waiting(connection, channel)?,
                threads: threads(connection, channel)?,
                standing: standing(connection, channel)?,
            })
        });
        Ok(view?)
    }

    fn notices(&self, rows: &[RowId]) -> Result<Vec<Notice>, OutboxError> {
        let notices = self.reading(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT body FROM outbox JOIN outbox_notice ON outbox_notice.id = notice WHERE outbox.id = ?1",
            )?;
            let mut notices = Vec::with_capacity(rows.len());
            for row in rows {
                let body: Option<String> = statement.query_row([row.0], |row| row.get(0)).optional()?;
                // One that cannot be read must not hold up the others.
                notices.extend(body.and_then(|body| serde_json::from_str(&body).ok()));
            }
            Ok(notices)
        });
        Ok(notices?)
    }

    fn told(&self, channel: &ChannelName, incident: &str) -> Result<Vec<Notice>, OutboxError> {
        let body = self.reading(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT body FROM outbox_thread WHERE channel = ?1 AND incident = ?2")?;
            let body = statement.query_row(params![channel.as_str(), incident], |row| {
                row.get::<_, Option<String>>(0)
            });
            Ok(body.optional()?.flatten())
        });
        Ok(body?
            .and_then(|body| serde_json::from_str(&body).ok())
            .unwrap_or_default())
    }

    fn going_on(&self, channel: &ChannelName) -> Result<Vec<Notice>, OutboxError> {
        let bodies = self.reading(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT body FROM outbox_thread
                 WHERE channel = ?1 AND open IS NOT NULL AND body IS NOT NULL ORDER BY last_at, incident",
            )?;
            let bodies = statement.query_map([channel.as_str()], |row| row.get(0))?;
            Ok(bodies.collect::<Result<Vec<String>, _>>()?)
        });
        // One that cannot be read must not hold up the others.
        let notices = |body: String| serde_json::from_str::<Vec<Notice>>(&body).ok();
        Ok(bodies?.into_iter().filter_map(notices).flatten().collect())
    }

    fn thread(&self, channel: &ChannelName, incident: &str) -> Result<Option<Thread>, OutboxError> {
        let thread = self.reading(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT incident, receipt, began_at, last_at, notices, open FROM outbox_thread
                 WHERE channel = ?1 AND incident = ?2",
            )?;
            Ok(statement
                .query_row(params![channel.as_str(), incident], thread)
                .optional()?)
        });
        Ok(thread?)
    }

    fn told_of(&self, incident: &str) -> Result<Vec<ChannelName>, OutboxError> {
        Ok(self.reading(|connection| told_of(connection, incident))?)
    }

    fn apply(&self, channel: &ChannelName, changes: &[Change], now: Timestamp) -> Result<(), OutboxError> {
        if changes.is_empty() {
            return Ok(());
        }
        // What a loss of power undoes is done again. It is sent again, with the same key where the same waits.
        let applied = self.transaction_that_survives(Durability::Process, |transaction| {
            for change in changes {
                apply(transaction, channel, change, now)?;
            }
            Ok(())
        });
        Ok(applied?)
    }

    fn channels(&self) -> Result<Vec<ChannelName>, OutboxError> {
        let channels = self.reading(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT DISTINCT channel FROM outbox ORDER BY channel")?;
            let channels = statement.query_map([], |row| Ok(ChannelName(row.get(0)?)))?;
            Ok(channels.collect::<Result<_, _>>()?)
        });
        Ok(channels?)
    }
}

fn waiting(connection: &Connection, channel: &ChannelName) -> Result<Vec<Waiting>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT outbox.id, name, incident, workload, kind, severity, phase, put_at, attempts, claimed, retry_at, outbox.route,
             passed_on, bytes, opened_as, outbox_notice.route
         FROM outbox CROSS JOIN outbox_notice ON outbox_notice.id = notice WHERE channel = ?1 ORDER BY outbox.id",
    )?;
    let rows = statement.query_map([channel.as_str()], |row| {
        let workload = row.get_ref(3)?.as_str_or_null()?;
        let own_route = row.get_ref(11)?.as_str_or_null()?;
        let shared_route = row.get_ref(15)?.as_str_or_null()?;
        // What cannot be understood is urgent, so that it is looked at and found unreadable.
        let kind = EventKind::named(row.get_ref(4)?.as_str()?).unwrap_or(EventKind::Error);
        let opened_as = row.get_ref(14)?.as_str_or_null()?;
        Ok(Waiting {
            row: RowId(row.get(0)?),
            id: NoticeId(row.get(1)?),
            incident: row.get(2)?,
            workload: workload.and_then(|workload| workload.parse().ok()),
            kind,
            opened_as: opened_as.and_then(EventKind::named).unwrap_or(kind),
            severity: Severity::named(row.get_ref(5)?.as_str()?).unwrap_or(Severity::Critical),
            phase: Phase::named(row.get_ref(6)?.as_str()?).unwrap_or(Phase::Once),
            put_at: moment(row, 7)?,
            attempts: row.get(8)?,
            claimed: row.get(9)?,
            retry_at: row.get::<_, Option<i64>>(10)?.map(Timestamp::from_unix_millis),
            route: route(channel, own_route, shared_route),
            is_passed_on: row.get(12)?,
            bytes: row.get(13)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Where a notice is besides `channel`: what its `own` row says, or else what is said once for all.
fn route(channel: &ChannelName, own: Option<&str>, shared: Option<&str>) -> Route {
    let read = |text| serde_json::from_str::<Route>(text).unwrap_or_default();
    match own {
        Some(own) => read(own),
        None => shared.map(read).unwrap_or_default().besides(channel),
    }
}

fn threads(connection: &Connection, channel: &ChannelName) -> Result<Vec<Thread>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT incident, receipt, began_at, last_at, notices, open
         FROM (SELECT DISTINCT incident FROM outbox CROSS JOIN outbox_notice ON outbox_notice.id = notice WHERE channel = ?1)
         JOIN outbox_thread USING (incident) WHERE channel = ?1",
    )?;
    let rows = statement.query_map([channel.as_str()], thread)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn thread(row: &Row<'_>) -> rusqlite::Result<Thread> {
    let open = row.get_ref(5)?.as_str_or_null()?;
    Ok(Thread {
        incident: row.get(0)?,
        receipt: row.get::<_, Option<String>>(1)?.map(Receipt),
        began_at: moment(row, 2)?,
        last_at: moment(row, 3)?,
        notices: row.get(4)?,
        open: open.map(|open| Severity::named(open).unwrap_or(Severity::Critical)),
    })
}

fn standing(connection: &Connection, channel: &ChannelName) -> Result<Standing, StoreError> {
    let mut statement = connection.prepare_cached("SELECT body FROM outbox_channel WHERE channel = ?1")?;
    let body: Option<String> = statement
        .query_row([channel.as_str()], |row| row.get(0))
        .optional()?;
    Ok(body
        .and_then(|body| serde_json::from_str(&body).ok())
        .unwrap_or_default())
}

fn put(transaction: &Connection, addressed: &Addressed, now: Timestamp) -> Result<(), StoreError> {
    let notice = &addressed.notice;
    let channels = addressed.channels(|incident| told_of(transaction, incident))?;
    if channels.is_empty() {
        return Ok(());
    }
    let (body, route) = (json("a notice", notice)?, addressed.route());
    if let Some(row) = keep(transaction, notice, 0, &route, &body)? {
        let waits = channels.into_iter().map(|channel| (channel, None));
        return wait(transaction, row, waits.collect(), now);
    }
    let mut waits = Vec::new();
    for channel in channels {
        if !waits_for(transaction, notice, &channel)? {
            let own = json("a route", &route.clone().besides(&channel))?;
            waits.push((channel, Some(own)));
        }
    }
    if waits.is_empty() {
        return Ok(());
    }
    let row = keep_again(transaction, notice, &route, &body)?;
    wait(transaction, row, waits, now)
}

/// Keeps what `notice` says, and where it is, for all channels. Its row; `None` where something else, or the same, is kept as
/// this variant of it.
fn keep(
    transaction: &Connection,
    notice: &Notice,
    variant: i64,
    route: &Route,
    body: &str,
) -> Result<Option<i64>, StoreError> {
    let opened_as = notice.event.opened_as();
    let kept = transaction
        .prepare_cached(
            "INSERT INTO outbox_notice (at, name, variant, incident, workload, kind, opened_as, severity, phase, route, bytes,
                 body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT (at, name, variant) DO NOTHING",
        )?
        .execute(params![
            millis(notice.at),
            &*notice.id.0,
            variant,
            notice.incident(),
            notice.workload.as_ref().map(|workload| workload.as_str()),
            notice.kind().code(),
            (opened_as != notice.kind()).then(|| opened_as.code()),
            notice.severity.code(),
            Phase::from(notice.stage).code(),
            json("a route", route)?,
            u32::try_from(body.len()).unwrap_or(u32::MAX),
            body,
        ])?;
    Ok((kept == 1).then(|| transaction.last_insert_rowid()))
}

/// The row of `notice`, of which a variant is kept: the one that says the same, or else a new one.
fn keep_again(
    transaction: &Connection,
    notice: &Notice,
    route: &Route,
    body: &str,
) -> Result<i64, StoreError> {
    let mut statement = transaction
        .prepare_cached("SELECT id, variant, body = ?3 FROM outbox_notice WHERE at = ?1 AND name = ?2")?;
    let kept = statement.query_map(params![millis(notice.at), &*notice.id.0, body], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })?;
    let kept: Vec<(i64, i64, bool)> = kept.collect::<Result<_, _>>()?;
    if let Some((row, ..)) = kept.iter().find(|(.., says_the_same)| *says_the_same) {
        return Ok(*row);
    }
    let last = kept.iter().map(|(_, variant, _)| *variant).max();
    let variant = last.map_or(0, |last| last + 1);
    let row = keep(transaction, notice, variant, route, body)?;
    row.ok_or(rusqlite::Error::QueryReturnedNoRows.into())
}

/// Whether `notice`, in whichever variant, waits for `channel`.
fn waits_for(transaction: &Connection, notice: &Notice, channel: &ChannelName) -> Result<bool, StoreError> {
    let mut statement = transaction.prepare_cached(
        "SELECT 1 FROM outbox_notice CROSS JOIN outbox ON notice = outbox_notice.id
         WHERE at = ?1 AND name = ?2 AND channel = ?3",
    )?;
    Ok(statement.exists(params![millis(notice.at), &*notice.id.0, channel.as_str()])?)
}

/// Lets the notice in the row `notice` wait for these channels, each with a route of its own where it has one. In one statement,
/// which takes the numbers of its rows together.
fn wait(
    transaction: &Connection,
    notice: i64,
    channels: Vec<(ChannelName, Option<String>)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let rows = vec!["(?1, ?2, 0, 0, ?, ?)"; channels.len()].join(", ");
    let mut values = vec![Value::from(notice), Value::from(millis(now))];
    for (channel, route) in channels {
        values.extend([Value::from(channel.as_str().to_owned()), Value::from(route)]);
    }
    transaction
        .prepare_cached(&format!(
            "INSERT INTO outbox (notice, put_at, attempts, passed_on, channel, route) VALUES {rows}
             ON CONFLICT (notice, channel) DO NOTHING"
        ))?
        .execute(params_from_iter(values))?;
    Ok(())
}

/// Who was told, or is about to be, that `incident` goes on.
fn told_of(connection: &Connection, incident: &str) -> Result<Vec<ChannelName>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT channel FROM outbox_thread WHERE incident = ?1 AND open IS NOT NULL
         UNION SELECT channel FROM outbox_notice CROSS JOIN outbox ON notice = outbox_notice.id
             WHERE incident = ?1 AND phase = 'opened'",
    )?;
    let channels = statement.query_map([incident], |row| Ok(ChannelName(row.get(0)?)))?;
    Ok(channels.collect::<Result<_, _>>()?)
}

fn apply(
    transaction: &Transaction<'_>,
    channel: &ChannelName,
    change: &Change,
    now: Timestamp,
) -> Result<(), StoreError> {
    match change {
        Change::Claim { rows, key } => {
            let mut statement = transaction
                .prepare_cached("UPDATE outbox SET claimed = ?2, attempts = attempts + 1 WHERE id = ?1")?;
            for row in rows {
                statement.execute(params![row.0, &**key])?;
            }
        }
        Change::Release { rows, retry_at } => {
            let mut statement = transaction
                .prepare_cached("UPDATE outbox SET claimed = NULL, retry_at = ?2 WHERE id = ?1")?;
            for row in rows {
                statement.execute(params![row.0, millis(*retry_at)])?;
            }
        }
        Change::Retry { rows, retry_at } => {
            let mut statement =
                transaction.prepare_cached("UPDATE outbox SET retry_at = ?2 WHERE id = ?1")?;
            for row in rows {
                statement.execute(params![row.0, millis(*retry_at)])?;
            }
        }
        Change::Remove { rows } => {
            let mut statement = transaction.prepare_cached("DELETE FROM outbox WHERE id = ?1")?;
            for row in rows {
                statement.execute([row.0])?;
            }
        }
        Change::PassOn { row, to } => pass_on(transaction, *row, to.as_ref(), now)?,
        Change::Thread { thread, notices } => save_thread(transaction, channel, thread, notices.as_deref())?,
        Change::Standing(standing) => {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO outbox_channel (channel, body) VALUES (?1, ?2)")?
                .execute(params![channel.as_str(), json("how a channel is", standing)?])?;
        }
        Change::Put(addressed) => put(transaction, addressed, now)?,
    }
    Ok(())
}

/// The notice in the row `?1` of the outbox, in all of its variants.
macro_rules! variants_of_row {
    () => {
        "(SELECT same.id FROM outbox AS passed
              CROSS JOIN outbox_notice AS own ON own.id = passed.notice
              CROSS JOIN outbox_notice AS same ON same.at = own.at AND same.name = own.name
          WHERE passed.id = ?1)"
    };
}

fn pass_on(
    transaction: &Connection,
    row: RowId,
    to: Option<&(ChannelName, Route)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    if let Some((to, route)) = to {
        // An end that waits there already comes after what it ends, which is passed on before it.
        transaction
            .prepare_cached(concat!(
                "DELETE FROM outbox WHERE channel = ?2 AND claimed IS NULL AND notice IN ",
                variants_of_row!()
            ))?
            .execute(params![row.0, to.as_str()])?;
        transaction
            .prepare_cached(concat!(
                "INSERT INTO outbox (channel, notice, put_at, attempts, passed_on, route)
                 SELECT ?2, notice, ?3, 0, 0, ?4 FROM outbox WHERE id = ?1 AND NOT EXISTS
                     (SELECT 1 FROM outbox AS other WHERE other.channel = ?2 AND other.notice IN ",
                variants_of_row!(),
                ")"
            ))?
            .execute(params![row.0, to.as_str(), millis(now), json("a route", route)?])?;
    }
    transaction
        .prepare_cached("UPDATE outbox SET passed_on = 1 WHERE id = ?1")?
        .execute([row.0])?;
    Ok(())
}

fn save_thread(
    transaction: &Connection,
    channel: &ChannelName,
    thread: &Thread,
    notices: Option<&[Notice]>,
) -> Result<(), StoreError> {
    let body = notices.map(|notices| json("notices", &notices)).transpose()?;
    transaction
        .prepare_cached(
            "INSERT INTO outbox_thread (channel, incident, receipt, began_at, last_at, notices, open, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (channel, incident) DO UPDATE SET receipt = excluded.receipt, began_at = excluded.began_at,
                 last_at = excluded.last_at, notices = excluded.notices, open = excluded.open,
                 body = coalesce(excluded.body, body)",
        )?
        .execute(params![
            channel.as_str(),
            &*thread.incident,
            thread.receipt.as_ref().map(|receipt| &receipt.0),
            millis(thread.began_at),
            millis(thread.last_at),
            thread.notices,
            thread.open.map(Severity::code),
            body,
        ])?;
    Ok(())
}

fn moment(row: &Row<'_>, index: usize) -> rusqlite::Result<Timestamp> {
    Ok(Timestamp::from_unix_millis(row.get(index)?))
}

fn json(what: &'static str, value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Encode {
        what,
        reason: error.to_string(),
    })
}

impl From<StoreError> for OutboxError {
    fn from(error: StoreError) -> Self {
        Self {
            reason: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
